"""The layers hold, and a deliberate break is caught by name."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.tree import ROOT, SOURCE, modules, parsed, shown

LINT = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, "--no-logo", "--no-cache"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder / "src")}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The source and its contracts, to be broken at will."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_are_kept() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("kit/money.py", "import omniroute.infra.postgres", "a layer imports only from layers below it"),
        ("infra/postgres/sql.py", "import omniroute.app.settings", "a layer imports only from layers below it"),
        ("ledger/model.py", "import omniroute.parties.access", "a layer imports only from layers below it"),
        ("graphql/session.py", "import omniroute.api", "a layer imports only from layers below it"),
        (
            "connectors/neft/connector.py",
            "import omniroute.ledger",
            "a connector fulfils a port and knows no payments, parties or books",
        ),
        (
            "app/settings.py",
            "from omniroute.infra.postgres.sql import load",
            "infra.postgres is entered by its front door",
        ),
        ("app/doctor.py", "from omniroute.ledger.posting import encode", "ledger is entered by its front door"),
    ],
)
def test_a_deliberate_break_is_caught(copy: Path, module: str, statement: str, contract: str) -> None:
    path = copy / "src" / "omniroute" / module
    path.write_text(path.read_text() + f"\n{statement}\n")

    done = lint(copy)

    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout


def test_every_module_has_a_door_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    guarded = {name.removesuffix(".*") for item in contracts for name in item.get("protected_modules", [])}
    layers = ("connectors", "infra", "money", "parties", "ports", "sandbox")
    packages = [path.parent for layer in layers for path in SOURCE.glob(f"{layer}/*/__init__.py")]
    packages += [SOURCE / name for name in ("api", "graphql", "ledger")]
    modules_of = {".".join(["omniroute", *path.relative_to(SOURCE).parts]) for path in packages}
    assert modules_of - guarded == set()


def test_kit_uses_the_standard_library_only() -> None:
    strangers = [
        f"{shown(path)} imports {name}"
        for path in modules("kit")
        for node in ast.walk(parsed(path))
        for name in _imported(node)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("omniroute.kit")
    ]
    assert strangers == []


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return []
