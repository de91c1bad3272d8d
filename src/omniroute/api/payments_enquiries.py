"""Asking over HTTP whose an account is, before anything is sent to it."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import operation
from omniroute.api.payments_shapes import FORM_REFUSALS, ConnectionText, PayeeIn, connection_id_in, payee_in
from omniroute.api.shapes import Currency, In, Instant, Out
from omniroute.kit import ids
from omniroute.kit.refusal import Kind, Refusal
from omniroute.money import connections
from omniroute.money.connections import BankConnection, ConnectionStatus, Enquiry, Health
from omniroute.parties import tenants
from omniroute.parties.access import Permission
from omniroute.ports.rails import Connector, Operation, Party


class NobodyToAsk(Refusal):
    """No active bank connection of the organisation can say whose this account is; `tried` tells why, one by one."""

    code = "payments.nobody_to_ask"
    kind = Kind.REFUSED


class EnquireIn(In):
    """Whose account? With `payee.name` the answer tells how well that name fits."""

    payee: PayeeIn
    currency: Annotated[Currency, Meta(description="Of the connection to ask over.")] | None = None
    connection: ConnectionText | None = None


class EnquiryOut(Out):
    """Whose account it is, by the rail's word. `score`: how well the expected name fits, 0 to 100."""

    kind: str
    identifier: str
    institution: str | None
    holder_name: str | None
    active: bool
    score: int | None
    match: Literal["fits", "differs", "unknown"]
    rail: str
    connection_id: str
    our_ref: str
    asked_at: Instant


def choose(
    found: list[BankConnection], rails: dict[str, Connector], party: Party, currency: str | None, wanted: str | None
) -> BankConnection:
    """The connection to ask over: the one that is wanted, or the first that can say.

    Raises: NobodyToAsk.
    """
    pinned: UUID | None = None
    if wanted is not None:
        pinned = connection_id_in(wanted, [(one.connection_id, one.code) for one in found])
        if pinned is None:
            raise NobodyToAsk(tried=[f"{wanted[:40]}: there is no such connection"])
    tried: list[str] = []
    for one in sorted(found, key=lambda one: (one.health is Health.DOWN, one.code)):
        if pinned not in (None, one.connection_id):
            continue
        against = _against(one, rails.get(one.rail), party, currency)
        if against is None:
            return one
        tried.append(f"{one.code}: {against}")
    raise NobodyToAsk(tried=tried)


def _against(one: BankConnection, connector: Connector | None, party: Party, currency: str | None) -> str | None:
    if one.status is not ConnectionStatus.ACTIVE:
        return one.status.value
    if Operation.NAME_ENQUIRY not in one.operations or connector is None:
        return "does not say whose an account is"
    if currency is not None and one.currency != currency:
        return f"carries {one.currency}"
    can = connector.capabilities()
    if party.kind not in can.payee_kinds:
        return f"does not know a {party.kind.value}"
    country = one.public.get("country")
    if party.country is not None and (
        party.country not in can.countries or (isinstance(country, str) and country and country != party.country)
    ):
        return f"not in {party.country}"
    return None


async def enquire(
    call: Call, payee: PayeeIn, currency: str | None, wanted: str | None
) -> tuple[Party, BankConnection, Enquiry]:
    """Ask; about whom, over which connection, and what it said. A payee without a country is at home.

    Raises: NobodyToAsk, RailSilent, RailUnable, and what is refused of a payee.
    """
    money, caller = call.services.payments, call.caller
    async with call.services.db.tx(caller.tenant_id, branches=caller.branches, readonly=True) as tx:
        found = await connections.open_connections(tx)
        home = (await tenants.get_organisation(tx)).currency
    party = payee_in(payee, currency or home)
    chosen = choose(found, dict(money.rails), party, currency, wanted)
    return party, chosen, await connections.holder_of(money.links, caller.tenant_id, chosen, party, now=call.now)


@operation(
    "POST", "/v1/{tenant}/account-enquiries", tag="Payments", permission=Permission.PAYMENTS_ENQUIRE, body=EnquireIn,
    reply=EnquiryOut, transaction=False,
    refusals=(*FORM_REFUSALS, "payments.nobody_to_ask", "connections.operation_off", "connections.rail_silent",
              "rails.unable"),
    example={"payee": {"kind": "bank_account", "identifier": "0123456785", "institution": "058",
                       "name": "Amina Bello"}},
    example_reply={"kind": "bank_account", "identifier": "0123456785", "institution": "000013",
                   "holder_name": "BELLO AMINA", "active": True, "score": 100, "match": "fits", "rail": "nip",
                   "connection_id": "con_01jd3m8q4vv8k8x2n0c5t7yh6r", "our_ref": "999001261121080000000000000001",
                   "asked_at": "2026-11-21T08:00:00Z"},
)  # fmt: skip
async def enquire_account(call: Call, body: EnquireIn) -> EnquiryOut:
    """Ask a rail whose an account is.

    Nothing is stored and nothing moves. An account the rail does not know is 422 with the rail's words.
    """
    party, chosen, said = await enquire(call, body.payee, body.currency, body.connection)
    return EnquiryOut(
        kind=party.kind.value,
        identifier=party.identifier,
        institution=party.institution,
        holder_name=said.holder.name,
        active=said.holder.active,
        score=said.score,
        match="unknown" if said.fits is None else "fits" if said.fits else "differs",
        rail=chosen.rail,
        connection_id=ids.show("con", chosen.connection_id),
        our_ref=said.our_ref,
        asked_at=call.now,
    )
