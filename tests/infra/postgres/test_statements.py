"""Cutting SQL into statements: every semicolon that does not end one."""

import pytest

from omniroute.infra.postgres.statements import split


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 'a;b', 'it''s; fine'",
        r"SELECT E'a\';b'",
        'SELECT 1 AS "odd;name"',
        "DO $$ BEGIN PERFORM 1; END $$",
        "DO $body$ SELECT '$$;$$'; $body$",
        "SELECT 1 -- not; here\n + 2",
        "SELECT 1 /* nor; /* here; */ ; */ + 2",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END",
        "SELECT tag$1 FROM t",
    ],
)
def test_a_semicolon_inside(statement: str) -> None:
    found = split(f"SELECT 0;\n{statement};\n\nSELECT 3")
    assert [(each.text, each.line) for each in found] == [
        ("SELECT 0", 1),
        (statement, 2),
        ("SELECT 3", statement.count("\n") + 4),
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "-- only a comment", "/* only; this */", ";;"])
def test_nothing_to_run(text: str) -> None:
    assert split(text) == []


def test_a_comment_before_a_statement_does_not_move_its_line() -> None:
    assert [each.line for each in split("-- one\n-- two\n\nSELECT 1;\n-- three\n(SELECT 2);")] == [4, 6]
