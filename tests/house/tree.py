"""What the rules are about: our files, as git and Python see them."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "omniroute"


def modules(*packages: str) -> list[Path]:
    """The Python files of these packages (`kit`, `infra/events`), or of all."""
    return sorted(path for name in packages or (".",) for path in (SOURCE / name).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def shown(path: Path) -> str:
    """A path as people say it."""
    return str(path.relative_to(ROOT))


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = [ROOT / name for name in listed.stdout.split("\0") if name]
    return tuple(path for path in found if path.is_file())


def text_of(path: Path) -> str:
    """The text of a file; pictures and the like are empty."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
