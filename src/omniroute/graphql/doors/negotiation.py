"""Media types of GraphQL over HTTP, and the status that goes with each.

`application/graphql-response+json` says with its status how the request went. `application/json`, what Hasura answers,
is 200 for every request that could be read, errors or not.
"""

from typing import Final

from omniroute.graphql.doors.errors import HttpRefused
from omniroute.graphql.executing import Answer

JSON: Final = "application/json"
GRAPHQL: Final = "application/graphql-response+json"


def media_type(accept: str | None) -> str:
    """What to answer in. Who names both gets GraphQL's own type; who takes anything gets JSON.

    Raises: HttpRefused (406).
    """
    if not accept:
        return JSON
    wanted = {JSON: -1.0, GRAPHQL: -1.0}
    exactness = dict.fromkeys(wanted, 0)
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if any(one.startswith("charset=") and one not in ("charset=utf-8", 'charset="utf-8"') for one in parameters):
            continue
        quality = next((_quality(one) for one in parameters if one.startswith("q=")), 1.0)
        exact = {"*/*": 1, "application/*": 2}.get(name, 3)
        for kind in wanted:
            if (name == kind or exact < 3) and exact > exactness[kind]:
                wanted[kind], exactness[kind] = quality, exact
    best = max(wanted.values())
    if best <= 0:
        raise HttpRefused(406, f"answers are {GRAPHQL} or {JSON}", code="not-acceptable")
    named = wanted[GRAPHQL] == best and (wanted[JSON] < best or exactness[GRAPHQL] == 3)
    return GRAPHQL if named else JSON


def _quality(parameter: str) -> float:
    try:
        return float(parameter.removeprefix("q="))
    except ValueError:
        return 0.0


def content_type(kind: str) -> str:
    """The header of an answer."""
    return f"{kind}; charset=utf-8"


def status_of(answer: Answer, kind: str) -> int:
    """The status of an answer to a request that could be read."""
    if not answer.errors or kind == JSON:
        return 200
    return 500 if answer.errors[0].code == "unexpected" else 400


def check_content_type(value: str | None) -> None:
    """Refuse a body that is not JSON. Pages of others cannot send this type unasked.

    Raises: HttpRefused (415).
    """
    name, *parameters = (piece.strip().lower() for piece in (value or "").split(";"))
    charsets = {one.partition("=")[2].strip('"') for one in parameters if one.startswith("charset=")}
    if name != JSON or charsets - {"utf-8"}:
        raise HttpRefused(415, f"requests are {JSON}, in UTF-8", code="not-supported")
