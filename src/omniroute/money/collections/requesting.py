"""Wanting a virtual account, and turning one: suspended, resumed, closed. Talking to the provider is `opening`'s."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from omniroute import ledger
from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.ids import uuid7
from omniroute.money import connections
from omniroute.money.collections import books
from omniroute.money.collections.errors import MalformedAccount, NoIssuer, ReferenceTaken, SeveralIssuers, WrongState
from omniroute.money.collections.events import (
    VirtualAccountClosed,
    VirtualAccountEvent,
    VirtualAccountRequested,
    VirtualAccountResumed,
    VirtualAccountSuspended,
)
from omniroute.money.collections.model import AccountStatus, RequestAccount, VirtualAccount
from omniroute.money.collections.reading import lock_account
from omniroute.money.collections.rules import NAME_MAX, check
from omniroute.money.collections.store import SQL, account_of, jsonb, rules_written
from omniroute.money.connections import BankConnection, ConnectionStatus
from omniroute.parties import partners
from omniroute.parties.partners import Partner
from omniroute.ports.rails import Operation


async def request_account(
    tx: Tx, command: RequestAccount, *, actor: str, now: datetime, meta: Meta
) -> tuple[VirtualAccount, bool]:
    """Want an account; and whether it is new. The provider is asked after the commit (`open_now`, or the worker).

    Raises: MalformedAccount, UnknownCurrency, PartnerNotFound, PartnerClosed, NoIssuer, SeveralIssuers, ReferenceTaken.
    """
    check(command, now=now)
    known = await _known(tx, command)
    if known is not None:
        return known, False
    owner = await partners.find_partner(tx, command.owner_id)
    if not owner.is_active:
        raise partners.PartnerClosed(partner=ids.show("ptn", owner.partner_id))
    connection = await _issuer(tx, command)
    account = await _insert(tx, command, owner, connection, actor=actor, now=now)
    if account is None:  # Somebody else asked for the same at this moment.
        known = await _known(tx, command)
        assert known is not None
        return known, False
    own = books.own_account(
        account.virtual_account_id, account.currency, ids.show("ptn", account.owner_id), account.wanted_name
    )
    await ledger.open_missing(tx, (own, *books.shared_accounts(account.currency)), now=now, meta=meta)
    await events.append(tx, told(VirtualAccountRequested, account), meta)
    return account, True


async def _known(tx: Tx, command: RequestAccount) -> VirtualAccount | None:
    """The account that was requested under this reference. Raises: ReferenceTaken when something else was."""
    if command.reference is None:
        return None
    row = await tx.one_or_none(SQL.account_by_reference, tenant=tx.tenant, reference=command.reference)
    if row is None:
        return None
    account = account_of(row)
    same = (
        account.owner_id == command.owner_id
        and account.owner_type == command.owner_type
        and account.currency == command.currency
        and account.wanted_name == (command.account_name or account.wanted_name)
        and account.wanted_bank == command.bank_code
        and account.expires_at == command.expires_at
        and account.rules == command.rules
        and account.metadata == command.metadata
    )
    if not same:
        raise ReferenceTaken(reference=command.reference)
    return account


async def _insert(
    tx: Tx, command: RequestAccount, owner: Partner, connection: BankConnection, *, actor: str, now: datetime
) -> VirtualAccount | None:
    """The account as it is wanted; None when there is one under its reference."""
    email = command.customer_email or owner.email
    if email is None:
        raise MalformedAccount(
            "customer_email: the provider asks for one, and the owner has none", field="customer_email"
        )
    account_id = uuid7()
    our_ref = ids.show("vac", account_id)
    row = await tx.one_or_none(
        SQL.insert_account,
        tenant=tx.tenant,
        account=account_id,
        reference=command.reference or our_ref,
        our_ref=our_ref,
        connection=connection.connection_id,
        owner=command.owner_id,
        owner_type=command.owner_type.value,
        currency=command.currency,
        name=command.account_name or owner.name[:NAME_MAX],
        bank=command.bank_code,
        customer_name=owner.name,
        customer_email=email,
        ledger_account=ledger.account_id(tx.tenant, books.account_code(account_id, command.currency)),
        rules=jsonb(rules_written(command.rules)),
        metadata=jsonb(dict(command.metadata)),
        expires_at=command.expires_at,
        requested_by=actor,
        now=now,
    )
    return None if row is None else account_of(row)


async def _issuer(tx: Tx, command: RequestAccount) -> BankConnection:
    """The connection whose provider opens the account. Raises: NoIssuer, SeveralIssuers."""
    able = [
        one
        for one in await connections.open_connections(tx)
        if one.status is ConnectionStatus.ACTIVE
        and Operation.VIRTUAL_ACCOUNTS in one.operations
        and one.currency == command.currency
        and command.connection in (None, one.code, ids.show("con", one.connection_id), str(one.connection_id))
    ]
    if not able:
        raise NoIssuer(connection=command.connection, currency=command.currency)
    if len(able) > 1:
        raise SeveralIssuers(connections=[one.code for one in able])
    return able[0]


async def suspend_account(tx: Tx, virtual_account_id: UUID, *, now: datetime, meta: Meta) -> VirtualAccount:
    """What comes in from now on waits for a person. Raises: VirtualAccountNotFound, WrongState."""
    account = await _lock(tx, virtual_account_id, AccountStatus.ACTIVE)
    return await turn(tx, account, AccountStatus.SUSPENDED, VirtualAccountSuspended, now=now, meta=meta)


async def resume_account(tx: Tx, virtual_account_id: UUID, *, now: datetime, meta: Meta) -> VirtualAccount:
    """What comes in from now on is booked on it again. Raises: VirtualAccountNotFound, WrongState."""
    account = await _lock(tx, virtual_account_id, AccountStatus.SUSPENDED)
    return await turn(tx, account, AccountStatus.ACTIVE, VirtualAccountResumed, now=now, meta=meta)


async def close_account(tx: Tx, virtual_account_id: UUID, *, now: datetime, meta: Meta) -> VirtualAccount:
    """Close an account for good. What is on it stays there; what still comes in waits for a person.

    The provider is told by the worker, until it has heard. Raises: VirtualAccountNotFound, WrongState.
    """
    account = await _lock(
        tx, virtual_account_id, AccountStatus.REQUESTED, AccountStatus.ACTIVE, AccountStatus.SUSPENDED
    )
    return await turn(tx, account, AccountStatus.CLOSED, VirtualAccountClosed, now=now, meta=meta)


async def turn(
    tx: Tx,
    account: VirtualAccount,
    status: AccountStatus,
    kind: type[VirtualAccountEvent],
    *,
    now: datetime,
    meta: Meta,
) -> VirtualAccount:
    """The account in another state, and the word of it. The provider is told of an end, and asked of nothing else."""
    over = status in (AccountStatus.CLOSED, AccountStatus.EXPIRED)
    changed = replace(
        account, status=status, ended_at=now if over else None, ask_at=now if over else None, tries=0, reason=None
    )
    account = await write(tx, changed, now)
    await events.append(tx, told(kind, account), meta)
    return account


async def write(tx: Tx, account: VirtualAccount, now: datetime) -> VirtualAccount:
    """Where an account stands now."""
    row = await tx.one(
        SQL.update_account,
        tenant=tx.tenant,
        account=account.virtual_account_id,
        status=account.status.value,
        reason=account.reason,
        provider_ref=account.provider_ref,
        number=account.account_number,
        bank_code=account.bank_code,
        bank_name=account.bank_name,
        account_name=account.account_name if account.account_number is not None else None,
        expires_at=account.expires_at,
        ask_at=account.ask_at,
        tries=account.tries,
        opened_at=account.opened_at,
        ended_at=account.ended_at,
        now=now,
    )
    return account_of(row)


async def _lock(tx: Tx, virtual_account_id: UUID, *statuses: AccountStatus) -> VirtualAccount:
    account = await lock_account(tx, virtual_account_id)
    if account.status not in statuses:
        raise WrongState(state=account.status.value)
    return account


def told(kind: type[VirtualAccountEvent], account: VirtualAccount) -> VirtualAccountEvent:
    """The event of an account as it stands."""
    return kind(
        account.virtual_account_id,
        account.reference,
        account.status.value,
        account.reason,
        account.owner_id,
        account.currency,
        account.account_number,
        account.bank_code,
    )
