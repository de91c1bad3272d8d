"""Rules about the code that no linter knows."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.house.tree import ROOT, SOURCE, modules, parsed, shown, text_of, tracked

EXACT = ("kit", "ledger", "money")
"""Where amounts are computed: no binary fractions at all."""

BANNED_FILES = {"utils", "helpers", "common", "misc", "manager", "base"}
LOCKS = ("runtime.txt", "dev.txt", "uv.txt")


def floats(tree: ast.Module) -> list[int]:
    """Lines that name `float`, write a number with a fraction, or divide anything but a `Fraction(...)`."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(left=ast.Call(func=ast.Name(id="Fraction")), op=ast.Div()):
                continue
            case (
                ast.Name(id="float")
                | ast.Constant(value=float())
                | ast.BinOp(op=ast.Div())
                | ast.AugAssign(op=ast.Div())
            ):
                found.append(node.lineno)
    return sorted(found)


@pytest.mark.parametrize("code", ["x = float(1)", "x = 1.5", "x = 3 / 2", "x = 4\nx /= 2", "def f(x: float): ..."])
def test_the_rule_against_floats_sees_one(code: str) -> None:
    assert floats(ast.parse(code)) != []


def test_amounts_never_meet_a_float() -> None:
    found = [f"{shown(path)}:{line}" for path in modules(*EXACT) for line in floats(parsed(path))]
    assert found == []


def test_file_names_say_what_is_inside() -> None:
    assert [shown(path) for path in tracked() if path.suffix == ".py" and path.stem in BANNED_FILES] == []


def test_every_file_says_what_it_is_for() -> None:
    silent = [shown(path) for path in modules() if ast.get_docstring(parsed(path)) is None]
    assert silent == []


def test_nothing_waits_for_later() -> None:
    words = re.compile(r"\b(FIX" + r"ME|TO" + r"DO)\b")
    assert [
        shown(path) for path in tracked() if path.suffix in (".py", ".sql", ".md") and words.search(text_of(path))
    ] == []


def test_type_checks_are_switched_off_with_a_reason_in_brackets() -> None:
    bare = re.compile(r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!:)")
    assert [shown(path) for path in modules() if bare.search(text_of(path))] == []


def test_front_doors_export_what_they_say() -> None:
    wrong = []
    for path in SOURCE.rglob("__init__.py"):
        exported = [node for node in parsed(path).body if isinstance(node, ast.Assign) and _is_all(node)]
        imported = {
            alias.asname or alias.name
            for node in parsed(path).body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        names = {name for node in exported for name in ast.literal_eval(node.value)}
        if imported - names:
            wrong.append(f"{shown(path)}: {sorted(imported - names)}")
    assert wrong == []


def _is_all(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)


def test_no_addresses_of_registries_and_no_paths_of_one_machine() -> None:
    hosts = re.compile(r"(pypi|pythonhosted|npmjs|registry\.|crates|golang)\.?(org|com|io|dev)", re.IGNORECASE)
    paths = re.compile(r"/(work|home|root|Users)/\w")
    found = [
        f"{shown(path)}: {match[0]}"
        for path in tracked()
        if path != Path(__file__).absolute() and "assets" not in path.parts
        for match in [hosts.search(text_of(path)) or paths.search(text_of(path))]
        if match
    ]
    assert found == []


@pytest.mark.parametrize("name", LOCKS)
def test_locks_hold_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block or "==" not in block] == []
    assert "://" not in text
    assert "--index" not in text


def test_migrations_are_numbered_once() -> None:
    names = [path.name for path in (ROOT / "migrations").glob("*.sql")]
    assert [name for name in names if not re.fullmatch(r"\d{4}_[a-z0-9]+(_[a-z0-9]+)*\.sql", name)] == []
    assert [number for number, count in Counter(name[:4] for name in names).items() if count > 1] == []


def test_every_module_has_a_page() -> None:
    nouns = {
        path.parent.name for layer in ("infra", "parties", "money") for path in SOURCE.glob(f"{layer}/*/__init__.py")
    }
    nouns |= {name for name in ("kit", "app", "api", "graphql", "connectors", "ledger") if (SOURCE / name).exists()}
    pages = {path.stem for path in (ROOT / "docs" / "modules").glob("*.md")}
    assert nouns - pages == set()


def test_links_between_pages_lead_somewhere() -> None:
    link = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
    broken = [
        f"{shown(page)} -> {target}"
        for page in tracked()
        if page.suffix == ".md"
        for target in link.findall(text_of(page))
        if not (page.parent / target).exists()
    ]
    assert broken == []
