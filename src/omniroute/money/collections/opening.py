"""Talking to the provider about accounts: one that is wanted is opened, one that is over is closed there.

An exchange is taken up under a lease and ends in one of three ways: answered, refused for good, or unknown. Unknown
changes nothing but when the provider is asked next: asked again under the same name it answers with the same account.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from psycopg import errors as pg

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Database, Tx
from omniroute.infra.telemetry import logger
from omniroute.kit.clock import Clock
from omniroute.kit.refusal import Fault
from omniroute.money.collections.events import VirtualAccountFailed, VirtualAccountOpened
from omniroute.money.collections.model import AccountStatus, VirtualAccount
from omniroute.money.collections.reading import find_account, lock_account
from omniroute.money.collections.requesting import told, write
from omniroute.money.collections.rules import cleaned, mistaken
from omniroute.money.collections.store import SQL, account_of
from omniroute.money.payments import Link, Links
from omniroute.ports.rails import AccountIssuer, AccountWanted, IssuedAccount, Operation, RailUnable

log = logger("omniroute.collections")

META = Meta(actor="system:collections", channel="worker")
LEASE_BEYOND_TIMEOUTS = timedelta(seconds=30)
ASK_AFTER = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 3600))
"""How long after each exchange without an answer the next one begins."""


def issuer_of(link: Link) -> AccountIssuer | None:
    """What opens accounts over a connection; None: nothing does."""
    if Operation.VIRTUAL_ACCOUNTS not in link.connector.capabilities().operations:
        return None
    return cast(AccountIssuer, link.connector)


async def open_now(
    db: Database, links: Links, tenant_id: UUID, virtual_account_id: UUID, *, clock: Clock
) -> VirtualAccount:
    """Ask the provider about an account, if it is to be asked now and nobody else does; and where it stands then.

    Raises: VirtualAccountNotFound, LinkDown. What the provider raises ends here.
    """
    link = None
    async with db.tx(tenant_id, readonly=True) as tx:
        account = await find_account(tx, virtual_account_id)
    if account.ask_at is None or account.ask_at > clock.now():
        return account
    link = await links.get(tenant_id, account.connection_id)
    lease = timedelta(seconds=2 * (link.policy.connect_timeout_s + link.policy.read_timeout_s)) + LEASE_BEYOND_TIMEOUTS
    now = clock.now()
    async with db.tx(tenant_id) as tx:
        row = await tx.one_or_none(
            SQL.take_account, tenant=tenant_id, account=virtual_account_id, now=now, lease_until=now + lease
        )
    if row is None:
        return account
    taken = account_of(row)
    issuer = issuer_of(link)
    if issuer is None:
        return await _postpone(db, taken, "the connection opens no virtual accounts any more", tenant_id, clock)
    if taken.status is AccountStatus.REQUESTED:
        return await _open(db, link, issuer, taken, tenant_id, clock)
    return await _close(db, link, issuer, taken, tenant_id, clock)


async def _open(
    db: Database, link: Link, issuer: AccountIssuer, account: VirtualAccount, tenant_id: UUID, clock: Clock
) -> VirtualAccount:
    wanted = AccountWanted(
        account.our_ref,
        account.wanted_name,
        account.currency,
        account.customer_name,
        account.customer_email,
        account.wanted_bank,
    )
    try:
        issued = await issuer.open_account(link.context, wanted)
    except RailUnable as refusal:
        return await _fail(db, account, refusal.detail, tenant_id, clock)
    except Fault as fault:
        return await _postpone(db, account, str(fault), tenant_id, clock)
    except Exception as error:
        log.exception("a provider's answer ended in a way nobody foresaw", rail=link.rail, account=account.our_ref)
        return await _postpone(db, account, type(error).__name__, tenant_id, clock)
    wrong = mistaken(account, issued)
    if wrong is not None or not issued.active:
        log.warning("an account is not open", account=account.our_ref, why=wrong or "not active yet")
        return await _postpone(db, account, wrong or "the provider is still opening it", tenant_id, clock)

    async def work(tx: Tx) -> VirtualAccount:
        return await record_issued(tx, account.virtual_account_id, issued, now=clock.now())

    try:
        return await db.run(work, tenant_id=tenant_id, idempotent=True)
    except pg.UniqueViolation:
        return await _fail(db, account, "the provider gave the number of another account", tenant_id, clock)


async def record_issued(tx: Tx, virtual_account_id: UUID, issued: IssuedAccount, *, now: datetime) -> VirtualAccount:
    """Write down what the provider has opened. Whoever was late changes nothing."""
    account = await lock_account(tx, virtual_account_id)
    if account.account_number is not None or account.status is AccountStatus.FAILED:
        return account
    opened = replace(
        account,
        provider_ref=cleaned(issued.provider_ref, 200),
        account_number=issued.account_number,
        bank_code=issued.bank_code,
        bank_name=cleaned(issued.bank_name, 100),
        account_name=cleaned(issued.account_name, 200) or account.wanted_name,
        opened_at=now,
        reason=None,
    )
    if account.status is not AccountStatus.REQUESTED:  # It was closed while it was being opened: closed there, too.
        return await write(tx, replace(opened, ask_at=now, tries=0), now)
    account = await write(tx, replace(opened, status=AccountStatus.ACTIVE, ask_at=None, tries=0), now)
    await events.append(tx, told(VirtualAccountOpened, account), META)
    return account


async def _close(
    db: Database, link: Link, issuer: AccountIssuer, account: VirtualAccount, tenant_id: UUID, clock: Clock
) -> VirtualAccount:
    """Close at the provider what is over here. Where that cannot be done, what still comes in waits for a person."""
    try:
        await issuer.close_account(link.context, account.our_ref)
    except RailUnable as refusal:
        log.warning("a provider closes no accounts", account=account.our_ref, detail=refusal.detail)
    except Fault as fault:
        return await _postpone(db, account, str(fault), tenant_id, clock)
    except Exception as error:
        log.exception("a provider's answer ended in a way nobody foresaw", rail=link.rail, account=account.our_ref)
        return await _postpone(db, account, type(error).__name__, tenant_id, clock)
    return await _settle(db, account, None, tenant_id, clock)


async def _fail(db: Database, account: VirtualAccount, detail: str, tenant_id: UUID, clock: Clock) -> VirtualAccount:
    async def work(tx: Tx) -> VirtualAccount:
        now = clock.now()
        found = await lock_account(tx, account.virtual_account_id)
        if found.status is AccountStatus.CLOSED:
            return await write(tx, replace(found, ask_at=None), now)
        if found.status is not AccountStatus.REQUESTED:
            return found
        reason = cleaned(detail) or "refused"
        failed = await write(
            tx, replace(found, status=AccountStatus.FAILED, reason=reason, ask_at=None, ended_at=now), now
        )
        await events.append(tx, told(VirtualAccountFailed, failed), META)
        return failed

    return await db.run(work, tenant_id=tenant_id, idempotent=True)


async def _postpone(db: Database, account: VirtualAccount, why: str, tenant_id: UUID, clock: Clock) -> VirtualAccount:
    return await _settle(db, account, why, tenant_id, clock)


async def _settle(
    db: Database, account: VirtualAccount, why: str | None, tenant_id: UUID, clock: Clock
) -> VirtualAccount:
    """Ask again later, and say why; or never again."""

    async def work(tx: Tx) -> VirtualAccount:
        now = clock.now()
        found = await lock_account(tx, account.virtual_account_id)
        if found.ask_at is None:
            return found
        later = None
        if why is not None:
            later = now + ASK_AFTER[min(found.tries, len(ASK_AFTER)) - 1]
            log.warning("a provider is asked again", account=found.our_ref, why=why, again_at=later.isoformat())
        return await write(tx, replace(found, ask_at=later, reason=cleaned(why)), now)

    return await db.run(work, tenant_id=tenant_id, idempotent=True)
