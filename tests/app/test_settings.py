"""Settings: every wrong name and value is refused by name, and secrets stay secret."""

from pathlib import Path

import pytest

from omniroute.app.settings import SPECS, BadSettings, Settings, load_settings


def problems(environment: dict[str, str], config: Path | None = None) -> list[str]:
    with pytest.raises(BadSettings) as refused:
        load_settings(environment, config)
    found = refused.value.facts["problems"]
    assert isinstance(found, list)
    return found


def test_without_anything_the_defaults_hold() -> None:
    assert load_settings({}) == Settings()


def test_a_variable_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.toml"
    file.write_text('http_port = 9000\nlog_level = "debug"\nhttp_access_log = true\n')
    settings = load_settings({"OMNIROUTE_HTTP_PORT": "9001", "OMNIROUTE_CONFIG": str(file)})
    assert (settings.http_port, settings.log_level, settings.http_access_log) == (9001, "debug", True)


def test_an_unknown_variable_is_refused_with_the_nearest_name() -> None:
    assert problems({"OMNIROUTE_HTTP_PROT": "1"}) == [
        "unknown variable OMNIROUTE_HTTP_PROT (did you mean OMNIROUTE_HTTP_PORT?)"
    ]


def test_an_unknown_line_of_the_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.toml"
    file.write_text("http_prot = 1\n")
    assert problems({}, file) == [f"{file}: unknown setting http_prot (did you mean http_port?)"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OMNIROUTE_HTTP_PORT", "eighty", "OMNIROUTE_HTTP_PORT: expected a whole number, got 'eighty'"),
        ("OMNIROUTE_HTTP_PORT", "70000", "OMNIROUTE_HTTP_PORT: expected 0 to 65535, got '70000'"),
        ("OMNIROUTE_HTTP_PORT", "1.5", "OMNIROUTE_HTTP_PORT: expected a whole number, got '1.5'"),
        ("OMNIROUTE_HTTP_ACCESS_LOG", "maybe", "OMNIROUTE_HTTP_ACCESS_LOG: expected true or false, got 'maybe'"),
        (
            "OMNIROUTE_LEDGER_KEY_RETENTION_HOURS",
            "23",
            "OMNIROUTE_LEDGER_KEY_RETENTION_HOURS: expected 24 to 876000, got '23'",
        ),
        (
            "OMNIROUTE_TRUSTED_PROXIES",
            "0.0.0.0/0",
            "OMNIROUTE_TRUSTED_PROXIES: expected networks such as 10.0.0.0/8, with commas between them: "
            "0.0.0.0/0 would trust everybody, got '0.0.0.0/0'",
        ),
        (
            "OMNIROUTE_LOG_LEVEL",
            "loud",
            "OMNIROUTE_LOG_LEVEL: expected one of debug, info, warning, error, got 'loud'",
        ),
        (
            "OMNIROUTE_OTEL_ENDPOINT",
            "collector:4318",
            "OMNIROUTE_OTEL_ENDPOINT: expected an address that starts with http:// or https://, got 'collector:4318'",
        ),
    ],
)
def test_a_malformed_value_is_refused_by_name(name: str, value: str, expected: str) -> None:
    assert problems({name: value}) == [expected]


def test_all_problems_are_named_at_once() -> None:
    assert len(problems({"OMNIROUTE_HTTP_PORT": "x", "OMNIROUTE_GROUP_SIZE_MAX": "0", "OMNIROUTE_NOBODY": "1"})) == 3


def test_a_missing_file_and_a_broken_one_are_refused(tmp_path: Path) -> None:
    assert problems({}, tmp_path / "absent.toml") == [f"{tmp_path}/absent.toml: No such file or directory"]
    broken = tmp_path / "broken.toml"
    broken.write_text("http_port = = 1")
    assert problems({}, broken)[0].startswith(f"{broken}: not TOML")


def test_the_variables_of_the_tests_are_left_alone() -> None:
    assert load_settings({"OMNIROUTE_TEST_DATABASE_URL": "x"}) == Settings()


def test_a_password_never_shows() -> None:
    url = "postgresql://owner:open-sesame@db.example/omniroute?sslmode=require"
    settings = load_settings({"OMNIROUTE_DATABASE_URL": url})
    assert settings.database_url == url
    assert "open-sesame" not in repr(settings)
    assert "open-sesame" not in str(settings.shown())
    assert settings.shown()["database_url"] == "postgresql://db.example/omniroute"
    wrong = problems({"OMNIROUTE_DATABASE_URL": "mysql://owner:open-sesame@db.example/omniroute"})
    assert "open-sesame" not in str(wrong)
    settings = load_settings({"OMNIROUTE_SECRETS_PKCS11_PIN": "482913"})
    assert "482913" not in f"{settings!r} {settings.shown()}"
    assert settings.shown()["secrets_pkcs11_pin"] == "[set]"


def test_every_setting_is_documented() -> None:
    assert [spec.name for spec in SPECS.values() if not spec.doc.endswith((".", "`"))] == []
