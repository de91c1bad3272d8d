"""Master keys on the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from omniroute.app.cli import app
from omniroute.app.console import USAGE


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
