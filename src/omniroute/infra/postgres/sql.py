"""Named SQL: every query of a module lives in its `queries.sql`, with a name and a sentence on what it does.

    -- name: find_account
    -- One account by its code.
    SELECT ... WHERE code = %(code)s

`load("omniroute.ledger")` returns an object with one `Query` attribute a name.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: ([a-z_][a-z0-9_]*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Query:
    """One named statement. `text` is what the driver gets, as bytes; `doc` is the comment under the name."""

    name: str
    text: bytes
    doc: str


class Queries:
    """The queries of one module, by name."""

    def __init__(self, source: str, queries: dict[str, Query]) -> None:
        self.source = source
        self.by_name = queries

    def __getattr__(self, name: str) -> Query:
        try:
            return self.by_name[name]
        except KeyError:
            raise AttributeError(f"{self.source} has no query named {name}") from None


@cache
def load(package: str, file: str = "queries.sql") -> Queries:
    """The named queries in `file` of `package`."""
    text = (files(package) / file).read_text(encoding="utf-8")
    for line in text.splitlines():
        # A misspelt name would silently become part of the query above it.
        assert not line.startswith("-- name") or _NAME.fullmatch(line), f"{package}/{file}: cannot read {line!r}"
    parts = _NAME.split(text)
    queries: dict[str, Query] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        assert name not in queries, f"{package}/{file}: {name} stands twice"
        lines = body.strip().splitlines()
        doc = [line[3:] for line in lines if line.startswith("-- ")]
        assert doc, f"{package}/{file}: {name} needs a sentence on what it does"
        sql = "\n".join(line for line in lines if not line.lstrip().startswith("--"))
        queries[name] = Query(name, sql.rstrip().rstrip(";").encode(), " ".join(doc))
    return Queries(f"{package}/{file}", queries)
