"""How the command line answers: tables for people, JSON for machines, and four exit codes.

0  done, nothing wrong
1  done, and problems were found
2  the command or its input is wrong; one line on stderr says how
3  something we need (mostly the database) cannot be reached
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from omniroute.kit.refusal import Fault, Refusal

OK, PROBLEMS, USAGE, UNAVAILABLE = 0, 1, 2, 3

JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON, for machines.")]

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


def show_json(value: Any) -> None:
    """One JSON document on stdout."""
    import msgspec  # Slow to load, and who asks for help needs no JSON.

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode() + "\n")


def show_table(rows: Sequence[Mapping[str, object]], *, title: str = "", columns: Sequence[str] = ()) -> None:
    """Rows as a table; numbers stand to the right."""
    names = list(columns) or (list(rows[0]) if rows else [])
    table = Table(title=title or None, title_justify="left")
    for name in names:
        numeric = bool(rows) and all(isinstance(row.get(name), int) for row in rows)
        # What does not fit goes on below: a reference or a time that is cut is of no use.
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(row.get(name))) for name in names))
    out.print(table, soft_wrap=False)


def say(text: str) -> None:
    """A line for people."""
    out.print(escape(text))


def stop(text: str, code: int) -> NoReturn:
    """One line on stderr, and the end."""
    err.print(escape(f"omniroute: {' '.join(text.split())}"))
    raise typer.Exit(code)


@contextmanager
def reporting() -> Iterator[None]:
    """Refusals become exit code 2, faults of machines exit code 3; our own mistakes keep their traceback."""
    try:
        yield
    except Refusal as refusal:
        stop(f"{refusal.detail} ({refusal.code})", USAGE)
    except (Fault, OSError) as fault:
        stop(f"{fault}", UNAVAILABLE)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
