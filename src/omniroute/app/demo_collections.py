"""The third job of `omniroute demo`: retailers pay on account numbers of their own, commission is split up the chain,
and what is left reaches the manufacturer. All but the settlement is asked for over GraphQL.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from omniroute import ledger
from omniroute.app.demo_client import Connection, Unexpected
from omniroute.app.demo_payments import Desk, connect
from omniroute.app.demo_payouts import BANKS, CORRIDORS, Corridor, account_at
from omniroute.app.demo_programs import Programs
from omniroute.infra.postgres import Database
from omniroute.kit import ids
from omniroute.kit.currency import exponent
from omniroute.kit.money import decimal_text
from omniroute.money import collections
from omniroute.parties import partners

RETAILERS = 20
RAIL, CURRENCY = "monnify", "NGN"
COLLECTORS = (("depot-north", "2.5"), ("depot-south", "3"))
"""Who collects from retailers, and what percentage each keeps."""
FEED = "/_sandbox/feed"
AMOUNT_MINOR = (2_000_00, 60_000_00)
TWICE_PERCENT = 20
"""Of the notifications that come three times."""

OPEN = """mutation ($input: CreateVirtualAccountInput!) {
  createVirtualAccount(input: $input) { accountNumber bankCode bankName accountName }
}"""
GRANT = "mutation ($input: CreateATCGrantInput!) { createATCGrant(input: $input) { id reference status } }"
APPROVE = """mutation ($grantId: uuid!, $approvedBy: uuid!) {
  update_atc_grants_by_pk(pk_columns: {id: $grantId}, _set: {status: ACTIVE, approved_by: $approvedBy}) { id status }
}"""
RECORD = """mutation ($input: RecordCollectionInput!) {
  recordCollection(input: $input) { id grossAmount commissionAmount netAmount settlementStatus }
}"""
ARRIVED = "query { virtual_account_transactions_aggregate(where: {type: {_eq: CREDIT}}) { aggregate { count } } }"
SETTLED = """query ($grantId: uuid!) {
  atc_settlement_batches(where: {atc_grant_id: {_eq: $grantId}}) {
    reference grossAmount netSettlementAmount paymentStatus settledAt
  }
}"""


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of what retailers paid. `wrong` is empty when every kobo is where it belongs."""

    transfers: int
    retailers: int
    paid_in_minor: int
    provider_fees_minor: int
    collectors_minor: int
    distributor_minor: int
    paid_out_minor: int
    taking_s: int
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """Who collects for whom: partners by what they are; the manufacturer's grant, and those that pass it on."""

    manufacturer: str
    distributor: str
    collectors: Sequence[str]
    root_grant: str
    grants: Sequence[str]
    retailers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Sent:
    """A transfer, under the name that banks know it by."""

    place: int
    amount_minor: int
    session: str


async def collect(
    desk: Desk,
    db: Database,
    programs: Programs,
    count: int,
    *,
    patience_s: int,
    say: Callable[[str], None],
    show: Callable[[str, int], None],
) -> Collected:
    """Let `count` transfers come in, record and settle them, and hold the books against what the rails have moved.

    Raises: NoAnswer, Unexpected, ProgramFailed.
    """
    began = time.monotonic()
    sandbox = await programs.sandbox()
    worker = programs.worker()
    async with (
        Connection(desk.host, desk.port, desk.owner) as boss,
        Connection(desk.host, desk.port, desk.approver) as checker,
        Connection(*sandbox["address"]) as outside,
    ):
        before = await outside.get(FEED)
        portal = await _connect(desk, boss, outside, sandbox["connections"])
        chain = await _chain(desk, boss, checker)
        numbers = await _accounts(boss, chain)
        say(f"{RETAILERS} retailers have account numbers at {RAIL}; another person agrees to who collects for whom")
        sent = await _pay_in(outside, portal, numbers, count)
        show("collecting: transfers are booked", 0)
        await _until(lambda: _booked(boss, count, show), patience_s, "every transfer to be booked")
        parts = await _record(boss, chain, sent, show)
        grant_id = ids.show("atc", UUID(chain.root_grant))
        await boss.create(f"/v1/{desk.slug}/settlements", {"grant_id": grant_id}, key="settle")
        batch = await _until(lambda: _settled(boss, chain), patience_s, "the manufacturer to be paid")
        moved = (await outside.get(FEED))[len(before) :]
    await programs.stop(worker)
    return await _sum_up(desk, db, chain, sent, parts, batch, moved, taking_s=time.monotonic() - began)


# -- who trades -------------------------------------------------------------------------------------------------------


async def _connect(desk: Desk, boss: Connection, outside: Connection, offered: Sequence[Any]) -> str:
    """Connect to the provider of account numbers, and tell it where we are; where payers reach it."""
    base = f"/v1/{desk.slug}"
    made = await connect(boss, base, offered, Corridor(RAIL, CURRENCY, "NG", 0))
    await connect(boss, base, offered, CORRIDORS[0])  # Over which the manufacturer is paid.
    address = await boss.get(f"{base}/connections/{made['id']}/callback-address")
    portal = next(one["portal"] for one in offered if one["rail"] == RAIL)
    path = f"/{portal.partition('//')[2].partition('/')[2]}"
    await outside.replace(path, {"url": address["url"]})
    return path.removesuffix("/callback") + "/transfers"


async def _chain(desk: Desk, boss: Connection, checker: Connection) -> Chain:
    """Partners, and the grants from the manufacturer to who stands in front of the retailer."""
    made: dict[str, str] = {}
    for code, kind, name, account in _partners():
        body = {"code": code, "kind": kind, "name": name, "email": f"{code}@kano-foods.example", "account": account}
        made[code] = (await boss.create(f"/v1/{desk.slug}/partners", body, key=f"partner-{code}"))["id"]
    terms = {
        "scope": "ALL_PRODUCTS", "collectionType": "ALL_METHODS", "currency": CURRENCY, "commissionType": "PERCENTAGE",
        "settlementFrequency": "ON_DEMAND",
    }  # fmt: skip
    root = await _grant(desk, boss, checker, {
        **terms, "grantorId": made["mill"], "granteeId": made["distributor"], "commissionRate": "4.5",
    })  # fmt: skip
    grants = [
        await _grant(desk, boss, checker, {
            **terms, "grantorId": made["distributor"], "granteeId": made[code], "commissionRate": rate,
            "parentAtcId": root,
        })
        for code, rate in COLLECTORS
    ]  # fmt: skip
    retailers = [made[f"retailer-{number:02}"] for number in range(1, RETAILERS + 1)]
    return Chain(made["mill"], made["distributor"], [made[code] for code, _ in COLLECTORS], root, grants, retailers)


def _partners() -> Iterator[tuple[str, str, str, dict[str, str] | None]]:
    """Code, kind, name and, of who is paid, the account."""
    yield "mill", "MANUFACTURER", "Golden Grain Mills", _paid_at("200000321")
    yield "distributor", "DISTRIBUTOR", "Kano Distribution", _paid_at("200000322")
    for place, (code, _) in enumerate(COLLECTORS, start=1):
        yield code, "WHOLESALER", f"Wholesale depot {place}", None
    for place in range(1, RETAILERS + 1):
        yield f"retailer-{place:02}", "RETAILER", f"Corner shop {place}", None


def _paid_at(serial: str) -> dict[str, str]:
    number, name = account_at(BANKS[0], serial)
    return {"kind": "bank_account", "identifier": number, "institution": BANKS[0], "name": name}


async def _grant(desk: Desk, boss: Connection, checker: Connection, terms: Mapping[str, Any]) -> str:
    """A grant that one writes and another approves; its id."""
    made = (await _ask(boss, GRANT, {"input": terms}))["createATCGrant"]
    approved = {"grantId": made["id"], "approvedBy": str(ids.parse("usr", desk.approver_id))}
    await _ask(checker, APPROVE, approved)
    return str(made["id"])


# -- what they do -----------------------------------------------------------------------------------------------------


async def _accounts(boss: Connection, chain: Chain) -> list[str]:
    """An account number for each retailer."""
    numbers = []
    for place, retailer in enumerate(chain.retailers, start=1):
        wanted = {"ownerId": retailer, "ownerType": "CUSTOMER", "currency": CURRENCY, "reference": f"shop-{place:02}"}
        numbers.append((await _ask(boss, OPEN, {"input": wanted}))["createVirtualAccount"]["accountNumber"])
    return numbers


async def _pay_in(outside: Connection, portal: str, numbers: Sequence[str], count: int) -> list[Sent]:
    """Retailers pay in turn, always the same amounts; some of what the provider tells us about it comes thrice."""
    chosen = random.Random(11)  # noqa: S311 - a story, not a secret
    sent = []
    for place in range(count):
        amount_minor = chosen.randint(*AMOUNT_MINOR)
        mishap = "duplicate-notification" if chosen.randrange(100) < TWICE_PERCENT else "none"
        body = {
            "accountNumber": numbers[place % len(numbers)], "currency": CURRENCY, "mishap": mishap,
            "amount": decimal_text(amount_minor, exponent(CURRENCY)), "narration": f"Invoice {place + 1}",
        }  # fmt: skip
        took = await outside.create(portal, body, key=f"pay-in-{place}")
        sent.append(Sent(place, amount_minor, took["sessionId"]))
    return sent


async def _booked(boss: Connection, count: int, show: Callable[[str, int], None]) -> bool:
    """Whether every transfer stands on its account."""
    told = await _ask(boss, ARRIVED, {})
    found: int = told["virtual_account_transactions_aggregate"]["aggregate"]["count"]
    show("collecting: transfers are booked", found)
    return found >= count


async def _record(
    boss: Connection, chain: Chain, sent: Sequence[Sent], show: Callable[[str, int], None]
) -> list[Mapping[str, Any]]:
    """Each transfer is collected by one of the depots: what the depot keeps, and what it owes to the distributor."""
    parts = []
    for done, one in enumerate(sent, start=1):
        wanted = {
            "atcGrantId": chain.grants[one.place % len(chain.grants)],
            "collectedFromId": chain.retailers[one.place % len(chain.retailers)],
            "collectionMethod": "BANK_TRANSFER", "amount": decimal_text(one.amount_minor, exponent(CURRENCY)),
            "paymentReference": one.session, "reference": f"collected-{one.place + 1:05}",
        }  # fmt: skip
        parts.append((await _ask(boss, RECORD, {"input": wanted}))["recordCollection"])
        show("collecting: commission is split", done)
    return parts


async def _settled(boss: Connection, chain: Chain) -> Any:
    """The settlement, when it is paid."""
    told = await _ask(boss, SETTLED, {"grantId": chain.root_grant})
    return next((one for one in told["atc_settlement_batches"] if one["settledAt"] is not None), None)


async def _until(look: Callable[[], Awaitable[Any]], patience_s: int, what: str) -> Any:
    """What `look` finds, as soon as it finds something. Raises: Unexpected."""
    ends = time.monotonic() + patience_s
    while time.monotonic() < ends:
        found = await look()
        if found:
            return found
        await asyncio.sleep(0.3)
    raise Unexpected(f"waited {patience_s} s in vain for {what}")


async def _ask(connection: Connection, document: str, variables: Mapping[str, Any]) -> Any:
    """Data of an operation. Raises: Unexpected."""
    body = {"query": document, "variables": variables}
    told = await connection.create("/v1/graphql", body, key=f"graphql-{next(_ASKED)}")
    if "errors" in told:
        raise Unexpected(f"GraphQL answered {told['errors'][0]['message']}")
    return told["data"]


_ASKED = itertools.count(1)


# -- what became of it ------------------------------------------------------------------------------------------------


async def _sum_up(
    desk: Desk,
    db: Database,
    chain: Chain,
    sent: Sequence[Sent],
    parts: Sequence[Mapping[str, Any]],
    batch: Mapping[str, Any],
    moved: Sequence[Mapping[str, Any]],
    *,
    taking_s: float,
) -> Collected:
    """Hold the books against what was sent, what was told, and what the rails have moved."""
    balances = await _balances(desk, db, chain)
    paid_in = sum(one.amount_minor for one in sent)
    fees = -sum(one["amount_minor"] for one in moved if one["kind"] == "fee")
    paid_out = -sum(one["amount_minor"] for one in moved if one["kind"] == "debit")
    collectors, distributor = balances["collectors"], balances["distributor"]
    expected = {
        "what came in at the provider": (sum(o["amount_minor"] for o in moved if o["kind"] == "credit"), paid_in),
        "what the provider kept": (balances["provider fees"], fees),
        "commission of the depots": (collectors, sum(_minor(one["commissionAmount"]) for one in parts)),
        "gross of the settlement": (_minor(batch["grossAmount"]), paid_in - collectors),
        "net of the settlement": (_minor(batch["netSettlementAmount"]), paid_in - collectors - distributor),
        "what was paid out": (paid_out, paid_in - collectors - distributor),
        "what is still on retailers' accounts": (balances["retailers"], 0),
        "what is still owed to the manufacturer": (balances["manufacturer"], 0),
    }
    wrong = [
        f"{what}: {is_minor:,}, not {ought:,}" for what, (is_minor, ought) in expected.items() if is_minor != ought
    ]
    return Collected(
        transfers=len(sent),
        retailers=len(chain.retailers),
        paid_in_minor=paid_in,
        provider_fees_minor=fees,
        collectors_minor=collectors,
        distributor_minor=distributor,
        paid_out_minor=paid_out,
        taking_s=round(taking_s),
        wrong=tuple(wrong),
    )


async def _balances(desk: Desk, db: Database, chain: Chain) -> dict[str, int]:
    """What stands where, in minor units."""

    def commission(partner: str) -> str:
        return partners.commission(ids.parse("ptn", partner), CURRENCY)

    async with db.tx(desk.tenant_id, readonly=True) as tx:
        own = await collections.list_accounts(tx, limit=500)
        of_retailers = await collections.find_balances(tx, own.items)
        wanted = {
            "collectors": [commission(one) for one in chain.collectors],
            "distributor": [commission(chain.distributor)],
            "manufacturer": [partners.payable(ids.parse("ptn", chain.manufacturer), CURRENCY)],
            "provider fees": [f"collections:provider-fees:{CURRENCY}"],
        }
        found = {}
        for what, codes in wanted.items():
            balances = await ledger.find_balances(tx, [ledger.account_id(tx.tenant, code) for code in codes])
            found[what] = sum(one.posted_minor for one in balances.values())
    return found | {"retailers": sum(one.posted_minor for one in of_retailers.values())}


def _minor(amount: object) -> int:
    """Minor units of an amount in major ones, as GraphQL tells it."""
    return int(Decimal(str(amount)).scaleb(exponent(CURRENCY)))
