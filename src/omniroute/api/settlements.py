"""Settlements and remittances over HTTP."""

from uuid import UUID

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.payments_shapes import connection_id_in
from omniroute.api.settlements_shapes import (
    CREATED,
    EXAMPLE,
    REMITTANCE,
    REMITTANCE_DETAIL,
    REMITTANCE_IN,
    RecordRemittanceIn,
    RemittanceDetailOut,
    RemittanceOut,
    RemittancesIn,
    SettlementOut,
    SettlementsIn,
    SettleNowIn,
    remittance_detail_out,
    remittance_out,
    settlement_out,
)
from omniroute.api.shapes import PageOut, page, parse_id
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import Money, parse_amount
from omniroute.money import connections, settlement
from omniroute.money.connections.errors import ConnectionNotFound
from omniroute.money.settlement import BatchState, RecordRemittance
from omniroute.parties.access import Permission

_SETTLEMENTS = "/v1/{tenant}/settlements"
_REMITTANCES = "/v1/{tenant}/remittances"


@operation(
    "POST", _SETTLEMENTS, tag="Settlements", status=201, permission=Permission.SETTLEMENTS_WRITE, whole=True,
    body=SettleNowIn, reply=SettlementOut, idempotent=True,
    refusals=("atc.not_found", "settlement.not_a_root_grant", "settlement.nothing_due", "kit.malformed_id"),
    example={"grant_id": "atc_01jd3m8q4vv8k8x2n0c5t7yh6r"}, example_reply=EXAMPLE | CREATED,
)  # fmt: skip
async def settle_now(call: Call, tx: Tx, body: SettleNowIn) -> Reply:
    """Settle what is due under a root grant, whatever its calendar says.

    Its payment is initiated in the background, a moment later.
    """
    batch = await settlement.settle_now(
        tx, ids.parse("atc", body.grant_id), actor=call.caller.subject, now=call.now, meta=call.meta
    )
    return Reply(settlement_out(batch))


@operation(
    "GET", _SETTLEMENTS, tag="Settlements", permission=Permission.SETTLEMENTS_READ, query=SettlementsIn,
    reply=PageOut[SettlementOut], sorts=settlement.SETTLEMENTS.sorts, refusals=("kit.malformed_id",),
    example_query={"state": "processing"}, example_reply={"items": [EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_settlements(call: Call, tx: Tx, query: SettlementsIn) -> PageOut[SettlementOut]:
    """List settlements, the latest first."""
    found = await settlement.list_batches(
        tx,
        state=None if query.state is None else BatchState(query.state),
        grant_id=parse_id("atc", query.grant_id),
        grantor_id=parse_id("ptn", query.grantor_id),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, settlement_out)


@operation(
    "GET", _SETTLEMENTS + "/{settlement}", tag="Settlements", permission=Permission.SETTLEMENTS_READ,
    reply=SettlementOut, refusals=("settlement.not_found",), example_reply=EXAMPLE,
)  # fmt: skip
async def get_settlement(call: Call, tx: Tx) -> SettlementOut:
    """Show a settlement."""
    return settlement_out(await settlement.find_batch(tx, call.id("settlement")))


@operation(
    "POST", _REMITTANCES, tag="Settlements", status=201, permission=Permission.SETTLEMENTS_WRITE, whole=True,
    body=RecordRemittanceIn, reply=RemittanceDetailOut, idempotent=True,
    refusals=("settlement.malformed_remittance", "settlement.remittance_exists", "settlement.more_than_in_hand",
              "settlement.kept_too_much", "settlement.credit_of_another", "partners.not_found", "connections.not_found",
              "collections.credit_not_found", "collections.credit_ambiguous", "collections.credit_spent",
              "collections.currency_differs", "collections.wrong_state", "kit.malformed_id", "kit.malformed_amount",
              "kit.unknown_currency",
              "ledger.insufficient_funds"),
    example=REMITTANCE_IN, example_reply=REMITTANCE_DETAIL,
)  # fmt: skip
async def record_remittance(call: Call, tx: Tx, body: RecordRemittanceIn) -> Reply:
    """Record money that a collector has paid in, of what they have in hand.

    It covers what was collected first. Commission may be kept of what is with us then, and of nothing else.
    """
    command = RecordRemittance(
        reference=body.reference,
        partner_id=ids.parse("ptn", body.partner_id),
        paid=Money(parse_amount(body.paid), body.currency),
        kept_minor=parse_amount(body.kept),
        connection_id=await _connection(tx, body.connection),
        credit=body.credit,
        note=body.note,
    )
    made = await settlement.record_remittance(
        tx, command, actor=call.caller.subject, now=call.now, today=call.today, meta=call.meta
    )
    return Reply(remittance_detail_out(made))


async def _connection(tx: Tx, text: str | None) -> UUID | None:
    """The connection that people mean. Raises: ConnectionNotFound."""
    if text is None:
        return None
    found = connection_id_in(text, [(one.connection_id, one.code) for one in await connections.open_connections(tx)])
    if found is None:
        raise ConnectionNotFound()
    return found


@operation(
    "GET", _REMITTANCES, tag="Settlements", permission=Permission.SETTLEMENTS_READ, query=RemittancesIn,
    reply=PageOut[RemittanceOut], sorts=settlement.REMITTANCES.sorts, refusals=("kit.malformed_id",),
    example_reply={"items": [REMITTANCE], "next_cursor": None},
)  # fmt: skip
async def list_remittances(call: Call, tx: Tx, query: RemittancesIn) -> PageOut[RemittanceOut]:
    """List remittances, the latest first."""
    found = await settlement.list_remittances(
        tx,
        partner_id=parse_id("ptn", query.partner_id),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, remittance_out)


@operation(
    "GET", _REMITTANCES + "/{remittance}", tag="Settlements", permission=Permission.SETTLEMENTS_READ,
    reply=RemittanceDetailOut, refusals=("settlement.remittance_not_found",), example_reply=REMITTANCE_DETAIL,
)  # fmt: skip
async def get_remittance(call: Call, tx: Tx) -> RemittanceDetailOut:
    """Show a remittance, and the collections it is for."""
    return remittance_detail_out(await settlement.find_remittance(tx, call.id("remittance")))
