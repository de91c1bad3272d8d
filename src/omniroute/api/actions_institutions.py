"""Whom payments can reach, as an action of a Hasura engine: the directory comes with us and is no table."""

from typing import Any

from omniroute.api.actions_form import ActionOut, Camel, action, answer, shape
from omniroute.api.call import Call
from omniroute.api.institutions import InstitutionsIn
from omniroute.api.operations import Raw, Reply
from omniroute.api.shapes import Out, shown
from omniroute.money import institutions
from omniroute.parties.access import Permission


class InstitutionsInput(Camel, kw_only=True):
    """Which institutions; all of them when nothing is said."""

    country: str | None = None
    text: str | None = None


class InstitutionShown(Out, rename="camel"):
    """A bank or operator, as at the REST door."""

    code: str
    national_code: str | None
    name: str
    country: str
    kind: str
    check_digit: bool
    closed: bool
    successor: str | None


async def _search(call: Call, given: dict[str, Any]) -> list[InstitutionShown]:
    asked = shape(given, InstitutionsInput)
    said = {name: value for name, value in (("country", asked.country), ("text", asked.text)) if value is not None}
    limits = shape(said, InstitutionsIn)
    found = institutions.directory().search(country=limits.country, text=limits.text)
    return [shown(InstitutionShown, one, {}) for one in found]


@action("institutions", reply=list[InstitutionShown] | ActionOut)
async def action_institutions(call: Call, raw: Raw) -> Reply:
    """List banks and operators that can be paid, for a Hasura engine. Input: `country`, `text`. Output: a list."""
    return await answer(call, raw, Permission.ORGANISATION_READ, _search)
