"""Accounts: opening, describing, limits, status, and charts of accounts from templates."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from omniroute.infra import events
from omniroute.infra.events import Meta
from omniroute.infra.postgres import Tx
from omniroute.kit.currency import exponent
from omniroute.kit.money import MINOR_MAX, MalformedAmount
from omniroute.kit.paging import Page
from omniroute.ledger import store
from omniroute.ledger.errors import (
    AccountChanged,
    AccountClosed,
    AccountCodeTaken,
    AccountNotEmpty,
    AccountNotFound,
    LimitAgainstBalance,
    LimitOnDeferred,
    MalformedAccount,
)
from omniroute.ledger.events import AccountDescribed, AccountLimitsChanged, AccountOpened, AccountStatusChanged
from omniroute.ledger.model import Account, AccountStatus, AccountType, Balance, Mode, account_id

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
DIMENSIONS_MAX = 32


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """What a new account is. `code` never changes; limits are in minor units on the normal side, None is no limit."""

    code: str
    name: str
    type: AccountType
    currency: str
    mode: Mode = Mode.STRICT
    parent: str | None = None
    branch_id: UUID | None = None
    owner_ref: str | None = None
    dimensions: Mapping[str, str] = field(default_factory=dict)
    floor_minor: int | None = None
    ceiling_minor: int | None = None


def check_account(command: OpenAccount) -> None:
    """Refuse what can never be an account.

    Raises: MalformedAccount, UnknownCurrency, LimitOnDeferred, MalformedAmount.
    """
    exponent(command.currency)
    if not _CODE.fullmatch(command.code):
        raise MalformedAccount(
            "the code is 1 to 128 letters, digits and . _ : / -, the first a letter or digit",
            account=command.code[:128],
        )
    if not 1 <= len(command.name) <= 200 or not command.name.isprintable():
        raise MalformedAccount("the name is 1 to 200 printable characters", account=command.code)
    check_described(command.owner_ref, command.dimensions)
    check_limits(command.mode, command.floor_minor, command.ceiling_minor)


def check_described(owner_ref: str | None, dimensions: Mapping[str, str]) -> None:
    """Refuse owner references and dimensions that cannot be stored.

    Raises: MalformedAccount.
    """
    if owner_ref is not None and not (1 <= len(owner_ref) <= 200 and owner_ref.isprintable()):
        raise MalformedAccount("the owner reference is 1 to 200 printable characters")
    if len(dimensions) > DIMENSIONS_MAX:
        raise MalformedAccount("too many dimensions", dimensions=len(dimensions), dimensions_max=DIMENSIONS_MAX)
    for name, value in dimensions.items():
        if not (
            1 <= len(name) <= 64 and name.isprintable() and len(value) <= 200 and (not value or value.isprintable())
        ):
            raise MalformedAccount("a dimension is a name of 1 to 64 and a text of up to 200 printable characters")


def check_limits(mode: Mode, floor_minor: int | None, ceiling_minor: int | None) -> None:
    """Refuse limits that no balance could satisfy, and limits on deferred accounts.

    Raises: LimitOnDeferred, MalformedAmount, LimitAgainstBalance.
    """
    if floor_minor is None and ceiling_minor is None:
        return
    if mode is Mode.DEFERRED:
        raise LimitOnDeferred()
    for limit in (floor_minor, ceiling_minor):
        if limit is not None and not -MINOR_MAX <= limit <= MINOR_MAX:
            raise MalformedAmount(amount_minor=str(limit))
    if floor_minor is not None and ceiling_minor is not None and floor_minor > ceiling_minor:
        raise LimitAgainstBalance(
            "the floor is above the ceiling", floor_minor=floor_minor, ceiling_minor=ceiling_minor
        )


async def open_account(tx: Tx, command: OpenAccount, *, now: datetime, meta: Meta) -> Account:
    """Open an account. Opening it again with the same properties returns it as it is.

    Raises: MalformedAccount, UnknownCurrency, LimitOnDeferred, LimitAgainstBalance, AccountNotFound (parent),
    AccountCodeTaken.
    """
    check_account(command)
    parent_id = None
    if command.parent is not None:
        parent_id = (await find_account(tx, account_id(tx.tenant, command.parent))).account_id
    if (command.floor_minor or 0) > 0 or (command.ceiling_minor or 0) < 0:
        raise LimitAgainstBalance("a new account is empty: its floor is at most 0 and its ceiling at least 0")
    account = Account(
        account_id(tx.tenant, command.code),
        command.code,
        command.name,
        command.type,
        command.type.normal_side,
        command.currency,
        command.mode,
        AccountStatus.OPEN,
        parent_id,
        command.branch_id,
        command.owner_ref,
        dict(command.dimensions),
        command.floor_minor,
        command.ceiling_minor,
        now,
        1,
    )
    if not await store.insert_account(tx, account):
        existing = await store.find_account(tx, account.account_id)
        if existing is None or replace(existing, opened_at=now) != account:
            raise AccountCodeTaken(account=command.code)
        return existing
    await events.append(
        tx,
        AccountOpened(
            account.account_id,
            account.code,
            account.name,
            account.type.value,
            account.normal_side.value,
            account.currency,
            account.mode.value,
            account.parent_id,
            account.branch_id,
            account.owner_ref,
            account.dimensions,
            account.floor_minor,
            account.ceiling_minor,
        ),
        meta,
    )
    return account


async def open_missing(tx: Tx, commands: Iterable[OpenAccount], *, now: datetime, meta: Meta) -> None:
    """Open those that are not there. Those that are stay as they are, whatever name or limits they have by now.

    Raises: what `open_account` raises.
    """
    wanted = {account_id(tx.tenant, command.code): command for command in commands}
    there = await store.find_accounts(tx, list(wanted)) if wanted else {}
    for account, command in wanted.items():
        if account not in there:
            await open_account(tx, command, now=now, meta=meta)


async def find_account(tx: Tx, account: UUID) -> Account:
    """One account.

    Raises: AccountNotFound.
    """
    found = await store.find_account(tx, account)
    if found is None:
        raise AccountNotFound()
    return found


async def find_accounts(tx: Tx, accounts: Sequence[UUID]) -> dict[UUID, Account]:
    """Accounts by id; those that are not there, or not the caller's, are left out."""
    return await store.find_accounts(tx, accounts)


async def list_accounts(
    tx: Tx,
    *,
    prefix: str | None = None,
    account_type: AccountType | None = None,
    currency: str | None = None,
    status: AccountStatus | None = None,
    parent_id: UUID | None = None,
    branch_id: UUID | None = None,
    owner_ref: str | None = None,
    dimensions: dict[str, str] | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[Account]:
    """Accounts by code unless `sort` says otherwise; `dimensions` must all be present with these values.

    Raises: what `read_page` raises.
    """
    return await store.list_accounts(
        tx,
        prefix=prefix,
        account_type=account_type,
        currency=currency,
        status=status,
        parent_id=parent_id,
        branch_id=branch_id,
        owner_ref=owner_ref,
        dimensions=dimensions,
        sort=sort,
        limit=limit,
        cursor=cursor,
    )


async def _for_change(tx: Tx, account: UUID, revision: int | None) -> Account:
    found = await store.lock_account(tx, account)
    if found is None:
        raise AccountNotFound()
    if revision is not None and found.revision != revision:
        raise AccountChanged(revision=found.revision)
    return found


async def describe_account(
    tx: Tx,
    account: UUID,
    *,
    meta: Meta,
    name: str | None = None,
    owner_ref: str | None = None,
    dimensions: Mapping[str, str] | None = None,
    revision: int | None = None,
) -> Account:
    """Change name, owner reference or dimensions (None leaves each as it is). `revision`: the one you read.

    Raises: AccountNotFound, AccountChanged, MalformedAccount.
    """
    found = await _for_change(tx, account, revision)
    changed = replace(
        found,
        name=found.name if name is None else name,
        owner_ref=found.owner_ref if owner_ref is None else owner_ref,
        dimensions=found.dimensions if dimensions is None else dict(dimensions),
        revision=found.revision + 1,
    )
    if not 1 <= len(changed.name) <= 200 or not changed.name.isprintable():
        raise MalformedAccount("the name is 1 to 200 printable characters", account=found.code)
    check_described(changed.owner_ref, changed.dimensions)
    await store.describe_account(tx, changed)
    await events.append(tx, AccountDescribed(account, changed.name, changed.owner_ref, changed.dimensions), meta)
    return changed


async def set_limits(
    tx: Tx,
    account: UUID,
    *,
    floor_minor: int | None,
    ceiling_minor: int | None,
    meta: Meta,
    revision: int | None = None,
) -> Account:
    """Change floor and ceiling (minor units on the normal side; None is no limit), judged under the postings' lock.

    Raises: AccountNotFound, AccountChanged, LimitOnDeferred, LimitAgainstBalance, MalformedAmount.
    """
    found = await _for_change(tx, account, revision)
    check_limits(found.mode, floor_minor, ceiling_minor)
    if found.mode is Mode.DEFERRED:
        return found
    if not await store.set_limits(tx, account, floor_minor, ceiling_minor):
        raise LimitAgainstBalance(account=found.code)
    await events.append(tx, AccountLimitsChanged(account, floor_minor, ceiling_minor), meta)
    return replace(found, floor_minor=floor_minor, ceiling_minor=ceiling_minor, revision=found.revision + 1)


async def set_status(
    tx: Tx, account: UUID, status: AccountStatus, *, meta: Meta, revision: int | None = None
) -> Account:
    """Open, freeze or close an account. Waits for postings in flight, so that none lands after a freeze.

    Raises: AccountNotFound, AccountChanged, AccountClosed, AccountNotEmpty.
    """
    found = await _for_change(tx, account, revision)
    if found.status is AccountStatus.CLOSED:
        raise AccountClosed(account=found.code)
    if found.status is status:
        return found
    if not await store.set_status(tx, account, status):
        raise AccountNotEmpty(account=found.code)
    await events.append(tx, AccountStatusChanged(account, status.value), meta)
    return replace(found, status=status, revision=found.revision + 1)


async def find_balances(tx: Tx, accounts: Sequence[UUID]) -> dict[UUID, Balance]:
    """Balances now; accounts that are not the caller's are left out."""
    return await store.find_balances(tx, accounts)
