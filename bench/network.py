"""A small distribution network to post in: one organisation, wallets with limits, hot accounts."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, Tx
from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.parties import access, tenants

TODAY = date(2026, 3, 2)
WALLETS = 10_000
HOT = 10


@dataclass(frozen=True, slots=True)
class Network:
    """An organisation with `wallets` (strict, with a floor) and `hot` (deferred) accounts, and a key to its API."""

    tenant_id: UUID
    slug: str
    secret: str
    wallets: tuple[UUID, ...]
    hot: tuple[UUID, ...]


async def make_network(db: Database, slug: str = "bench") -> Network:
    """Open everything."""
    now = datetime.now(UTC)
    meta = Meta(actor="bench", channel="bench")
    command = tenants.CreateOrganisation(slug=slug, name="Bench", country="NG", currency="NGN", time_zone="UTC")
    permissions = frozenset(access.Permission)
    platform = access.Caller(uuid7(), "bench", uuid7(), "platform", permissions)
    async with db.tx() as tx:
        tenant_id = (await tenants.create_organisation(tx, command, caller=platform, now=now, meta=meta)).id
    owner = access.Caller(tenant_id, "bench", uuid7(), "platform", permissions)
    key = access.CreateKey(
        "bench", [access.Permission.LEDGER_READ, access.Permission.LEDGER_POST, access.Permission.PAYMENTS_INITIATE]
    )
    async with db.tx(tenant_id) as tx:
        issued = await access.create_key(tx, key, caller=owner, now=now, meta=meta)
        wallets = await _accounts(tx, "wallet", WALLETS, now, meta, deferred=False)
        hot = await _accounts(tx, "fees", HOT, now, meta, deferred=True)
    return Network(tenant_id, slug, issued.secret.text, wallets, hot)


async def _accounts(tx: Tx, name: str, count: int, now: datetime, meta: Meta, *, deferred: bool) -> tuple[UUID, ...]:
    ids = []
    for i in range(count):
        account = ledger.OpenAccount(
            f"{name}:{i}",
            f"{name} {i}",
            ledger.AccountType.INCOME if deferred else ledger.AccountType.LIABILITY,
            "NGN",
            mode=ledger.Mode.DEFERRED if deferred else ledger.Mode.STRICT,
            floor_minor=None if deferred else -1_000_000_000,
        )
        ids.append((await ledger.open_account(tx, account, now=now, meta=meta)).account_id)
    return tuple(ids)


def transfers(
    draw: random.Random, count: int, sources: Sequence[UUID], targets: Sequence[UUID]
) -> list[ledger.Command]:
    """Two-legged postings between random accounts, each with an idempotency key."""
    made = []
    for _ in range(count):
        amount = Money(draw.randint(1, 1_000), "NGN")
        source = draw.choice(sources)
        target = draw.choice(targets)
        legs = [ledger.Leg(source, ledger.Side.DEBIT, amount), ledger.Leg(target, ledger.Side.CREDIT, amount)]
        made.append(ledger.post_transaction(legs, value_on=TODAY, key=f"{draw.getrandbits(96):x}"))
    return made


async def auditor_key(db: Database, network: Network) -> str:
    """A key that reads everything, and may act in the role of that name at the GraphQL door."""
    owner = access.Caller(network.tenant_id, "bench", uuid7(), "platform", frozenset(access.Permission))
    async with db.tx(network.tenant_id) as tx:
        command = access.CreateKey("graphql", access.BUILT_IN["auditor"][1])
        return (await access.create_key(tx, command, caller=owner, now=datetime.now(UTC), meta=Meta())).secret.text
