"""The command line: exit codes, one line for what is wrong, and JSON for machines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from omniroute.app.cli import Commands
from tests.app.commands import environment, omniroute

NOWHERE = "postgresql://nobody:open-sesame@127.0.0.1:1/nothing"


def test_help_names_every_command() -> None:
    done = omniroute("--help")
    assert done.returncode == 0
    for command in ("up", "serve", "worker", "migrate", "doctor", "settings", "ledger", "audit", "docs", "openapi"):
        assert f" {command} " in done.stdout


@pytest.mark.parametrize(
    "command", [["--help"], ["doctor", "--help"], ["worker", "--help"], ["settings"]], ids=" ".join
)
def test_who_asks_for_help_does_not_load_the_product(command: list[str]) -> None:
    script = (
        "import sys\n"
        "from omniroute.app.cli import app\n"
        f"app({command!r}, standalone_mode=False)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}\n"
        "               | {name for name in sys.modules if name.startswith('omniroute.')}), sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    loaded = set(done.stdout.splitlines())
    assert "omniroute.app.lazy" in loaded
    heavy = {"litestar", "psycopg", "granian", "httpx", "holidays", "opentelemetry", "cryptography", "omniroute.api"}
    assert loaded & heavy == set()


@pytest.mark.parametrize("name", Commands.lazy)
def test_the_list_of_commands_says_of_each_what_it_says_of_itself(name: str) -> None:
    known = Commands.lazy[name]
    assert " ".join(known.load(name).help.split("\n\n")[0].split()) == known.help


@pytest.mark.parametrize(
    "command",
    [
        ["serve"], ["worker"], ["migrate"], ["migrate", "--status"], ["audit", "verify"],
        ["ledger", "accounts", "-o", "org_" + "0" * 26],
    ],
    ids=" ".join,
)  # fmt: skip
def test_without_a_database_the_exit_code_is_3(command: list[str], tmp_path: Path) -> None:
    done = omniroute(*command, data_dir=str(tmp_path))
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "OMNIROUTE_DATABASE_URL" in done.stderr


@pytest.mark.parametrize("command", [["migrate", "--status"], ["audit", "verify"]], ids=" ".join)
def test_a_database_that_does_not_answer_is_exit_code_3_and_no_password(command: list[str]) -> None:
    done = omniroute(*command, database_url=NOWHERE, database_acquire_timeout_s="1")
    assert done.returncode == 3
    assert "open-sesame" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_settings_are_exit_code_2_on_one_line() -> None:
    done = omniroute("serve", http_prot="1")
    assert done.returncode == 2
    assert done.stderr == (
        "omniroute: unknown variable OMNIROUTE_HTTP_PROT (did you mean OMNIROUTE_HTTP_PORT?) (app.bad_settings)\n"
    )


@pytest.mark.parametrize(
    ("command", "code", "known"),
    [("serve", "api.unknown_module", "ledger_holds"), ("worker", "app.unknown_job", "ledger.fold")],
)
def test_a_wrong_name_for_only_is_exit_code_2_with_the_list(command: str, code: str, known: str) -> None:
    done = omniroute(command, "--only", "ledger,leger", database_url=NOWHERE, log_level="error")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("omniroute: leger ")
    assert code in done.stderr
    assert known in done.stderr


def test_settings_are_shown_without_passwords() -> None:
    done = omniroute("settings", "--json", database_url=NOWHERE, http_port="81")
    shown = json.loads(done.stdout)
    assert (shown["http_port"], shown["database_url"]) == (81, "postgresql://127.0.0.1:1/nothing")
    assert "open-sesame" not in done.stdout


def test_a_settings_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "omniroute.toml"
    file.write_text("http_port = 82\n")
    assert json.loads(omniroute("--config", str(file), "settings", "--json").stdout)["http_port"] == 82


def test_an_unknown_command_is_exit_code_2() -> None:
    assert omniroute("dance").returncode == 2


def test_the_doctor_names_wrong_settings() -> None:
    done = omniroute("doctor", "--json", http_prot="1", log_level="loud")
    report = json.loads(done.stdout)
    assert (done.returncode, report["healthy"]) == (1, False)
    assert [item["check"] for item in report["findings"]] == ["settings", "settings"]
    assert "OMNIROUTE_HTTP_PORT" in report["findings"][0]["found"]


def test_the_doctor_says_what_to_do_when_the_database_does_not_answer() -> None:
    done = omniroute("doctor", "--json", database_url=NOWHERE)
    (problem,) = [item for item in json.loads(done.stdout)["findings"] if item["level"] == "problem"]
    assert problem["check"] == "database"
    assert "start the server" in problem["advice"]
    assert done.returncode == 1
    assert "open-sesame" not in done.stdout
