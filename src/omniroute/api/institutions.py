"""Whom payments can reach, over HTTP."""

from typing import Annotated

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import operation
from omniroute.api.shapes import In, Out, PageOut, shown
from omniroute.infra.postgres import Tx
from omniroute.money import institutions
from omniroute.money.institutions import InstitutionKind
from omniroute.parties.access import Permission


class InstitutionsIn(In):
    """Which institutions: of a country, and with these letters in the name or exactly this code."""

    country: Annotated[str, Meta(pattern="^[A-Z]{2}$", examples=["NG"])] | None = None
    text: Annotated[str, Meta(min_length=1, max_length=60, examples=["zenith"])] | None = None


class InstitutionOut(Out):
    """A bank or operator. Payments carry `code`; `national_code` (058) is understood as well and made into it. Closed:
    it takes no payments any more; `successor` is who took over.
    """

    code: str
    national_code: str | None
    name: str
    country: str
    kind: InstitutionKind
    check_digit: Annotated[bool, Meta(description="Its account numbers carry a check digit, and we look at it.")]
    closed: bool
    successor: str | None


@operation(
    "GET", "/v1/{tenant}/institutions", tag="Institutions", permission=Permission.ORGANISATION_READ,
    query=InstitutionsIn, reply=PageOut[InstitutionOut], example_query={"country": "NG", "text": "zenith"},
    example_reply={
        "items": [{"code": "000015", "national_code": "057", "name": "Zenith Bank", "country": "NG", "kind": "bank",
                   "check_digit": True, "closed": False, "successor": None}],
        "next_cursor": None,
    },
)  # fmt: skip
async def list_institutions(call: Call, tx: Tx, query: InstitutionsIn) -> PageOut[InstitutionOut]:
    """List banks and operators that can be paid, by country and code; all of them at once."""
    found = institutions.directory().search(country=query.country, text=query.text)
    return PageOut(
        items=[shown(InstitutionOut, one, {}) for one in found],
        next_cursor=None,
    )
