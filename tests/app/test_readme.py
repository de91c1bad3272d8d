"""The first call of the README works as printed."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.app.commands import running
from tests.house.tree import ROOT


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_first_call_works_as_printed(folder: Path) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (script,) = blocks
    with running(folder, "up", "--port", "0", data_dir=str(folder / "readme")) as system:
        key = system.wait_for("Platform key").split()[-1]
        script = re.sub(r"KEY=\S+", f"KEY={key}", script, count=1)
        script = re.sub(r"URL=\S+", f"URL={system.url}", script, count=1)
        done = subprocess.run(["bash", "-eu", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.JSONDecoder()
    answers, rest = [], done.stdout.strip()
    while rest:
        answer, end = told.raw_decode(rest)
        answers.append(answer)
        rest = rest[end:].lstrip()
    balance, shown = answers[-2:]
    assert (balance["posted"], balance["available"]) == (150_000, 150_000)
    (transaction,) = shown["data"]["ledger_transactions"]
    sides = {entry["side"]: entry["account"] for entry in transaction["entries"]}
    assert sides == {
        "DEBIT": {"code": "cash:nairobi", "balance": 1500},
        "CREDIT": {"code": "wallet:amina", "balance": 1500},
    }
