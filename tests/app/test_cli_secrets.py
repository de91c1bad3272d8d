"""Master keys on the command line."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from omniroute.app.cli import app
from omniroute.app.console import OK, PROBLEMS, USAGE
from omniroute.app.settings import load_settings
from omniroute.app.wiring import opened
from omniroute.parties import access


def test_keys_are_made_and_listed_by_name_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIROUTE_SECRETS_DIR", str(tmp_path / "keys"))
    runner = CliRunner()
    none = runner.invoke(app, ["secrets", "keys"])
    assert none.exit_code == USAGE
    assert "add-key" in none.output
    assert not (tmp_path / "keys").exists()
    first = runner.invoke(app, ["secrets", "add-key"]).output.split()[0]
    second = runner.invoke(app, ["secrets", "add-key"]).output.split()[0]
    listed = runner.invoke(app, ["secrets", "keys", "--json"])
    assert json.loads(listed.output) == {"keys": [first, second], "current": second}
    for path in (tmp_path / "keys").glob("*.key"):
        assert path.read_text().strip().partition(":")[2] not in listed.output


def test_stored_secrets_follow_the_current_key(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNIROUTE_DATABASE_URL", database_url)
    monkeypatch.setenv("OMNIROUTE_SECRETS_DIR", str(tmp_path / "keys"))
    runner = CliRunner()

    async def sign() -> None:
        async with opened(load_settings(), create_keys=True) as house:
            assert await access.rotate_signing_key(house.db, house.vault, now=house.clock.now())

    asyncio.run(sign())
    runner.invoke(app, ["secrets", "add-key"])
    for counts in (["1", "0", "0"], ["0", "1", "0"]):
        done = runner.invoke(app, ["secrets", "rotate"])
        assert done.exit_code == OK, done.output
        assert (
            next(line for line in done.output.splitlines() if "signing" in line).replace("│", " ").split()[-3:]
            == counts
        )
    monkeypatch.setenv("OMNIROUTE_SECRETS_DIR", str(tmp_path / "another"))
    runner.invoke(app, ["secrets", "add-key"])
    done = runner.invoke(app, ["secrets", "rotate"])
    assert done.exit_code == PROBLEMS
    assert "secrets.key_missing" in done.output
