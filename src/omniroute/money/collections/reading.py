"""Looking at virtual accounts and credits, and spending a credit as such."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from omniroute import ledger
from omniroute.infra.postgres import Tx, read_page
from omniroute.kit import ids
from omniroute.kit.money import Money
from omniroute.kit.paging import Page
from omniroute.ledger import Balance
from omniroute.money.collections.errors import (
    CreditAmbiguous,
    CreditNotFound,
    CreditSpent,
    CurrencyDiffers,
    VirtualAccountNotFound,
    WrongState,
)
from omniroute.money.collections.model import AccountCredit, AccountStatus, CreditState, VirtualAccount
from omniroute.money.collections.store import CREDITS, SQL, VIRTUAL_ACCOUNTS, account_of, credit_of

CREDIT_PREFIX = "crd"


async def find_account(tx: Tx, virtual_account_id: UUID) -> VirtualAccount:
    """One virtual account. Raises: VirtualAccountNotFound."""
    row = await tx.one_or_none(SQL.find_account, tenant=tx.tenant, account=virtual_account_id)
    if row is None:
        raise VirtualAccountNotFound()
    return account_of(row)


async def find_accounts(tx: Tx, virtual_account_ids: Sequence[UUID]) -> dict[UUID, VirtualAccount]:
    """Virtual accounts by id; those that are not there are left out."""
    rows = await tx.all(SQL.find_accounts, tenant=tx.tenant, accounts=list(virtual_account_ids))
    return {row.virtual_account_id: account_of(row) for row in rows}


async def lock_account(tx: Tx, virtual_account_id: UUID) -> VirtualAccount:
    """One virtual account, held until the transaction ends. Raises: VirtualAccountNotFound."""
    row = await tx.one_or_none(SQL.lock_account, tenant=tx.tenant, account=virtual_account_id)
    if row is None:
        raise VirtualAccountNotFound()
    return account_of(row)


async def find_balances(tx: Tx, accounts: Sequence[VirtualAccount]) -> dict[UUID, Balance]:
    """What is on virtual accounts, by their ids. One whose books the caller may not see is left out."""
    by_ledger = {account.ledger_account_id: account.virtual_account_id for account in accounts}
    found = await ledger.find_balances(tx, list(by_ledger))
    return {by_ledger[account_id]: balance for account_id, balance in found.items()}


async def list_accounts(
    tx: Tx,
    *,
    status: AccountStatus | None = None,
    owner_id: UUID | None = None,
    account_number: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[VirtualAccount]:
    """A page of virtual accounts. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx,
        VIRTUAL_ACCOUNTS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        status=None if status is None else status.value,
        owner=owner_id,
        number=account_number,
    )
    return page.map(account_of)


async def find_credit(tx: Tx, credit_id: UUID) -> AccountCredit:
    """One credit. Raises: CreditNotFound."""
    row = await tx.one_or_none(SQL.find_credit, tenant=tx.tenant, credit=credit_id)
    if row is None:
        raise CreditNotFound()
    return credit_of(row)


async def lock_credit(tx: Tx, credit_id: UUID) -> AccountCredit:
    """One credit, held until the transaction ends. Raises: CreditNotFound."""
    row = await tx.one_or_none(SQL.lock_credit, tenant=tx.tenant, credit=credit_id)
    if row is None:
        raise CreditNotFound()
    return credit_of(row)


async def list_credits(
    tx: Tx,
    *,
    state: CreditState | None = None,
    virtual_account_id: UUID | None = None,
    session_id: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Page[AccountCredit]:
    """A page of credits. Raises: UnknownSort, LimitOutOfRange, MalformedCursor, ForeignCursor."""
    page = await read_page(
        tx,
        CREDITS,
        sort=sort,
        limit=limit,
        cursor=cursor,
        tenant=tx.tenant,
        state=None if state is None else state.value,
        account=virtual_account_id,
        session=session_id,
    )
    return page.map(credit_of)


async def find_credit_by_reference(tx: Tx, text: str) -> AccountCredit:
    """The credit people mean by `text`: its own id (`crd_...`, or a UUID), the rail's session, or the provider's name.

    Raises: CreditNotFound, CreditAmbiguous.
    """
    own = _own_id(text)
    if own is not None:
        return await find_credit(tx, own)
    for query in (SQL.credits_by_session, SQL.credits_by_provider_id):
        rows = await tx.all(query, tenant=tx.tenant, text=text)
        if len(rows) > 1:
            raise CreditAmbiguous(credits=[ids.show(CREDIT_PREFIX, row.credit_id) for row in rows])
        if rows:
            return credit_of(rows[0])
    raise CreditNotFound()


def _own_id(text: str) -> UUID | None:
    try:
        return ids.parse(CREDIT_PREFIX, text) if text.startswith(f"{CREDIT_PREFIX}_") else UUID(text)
    except (ValueError, ids.MalformedId):
        return None


async def use_credit(tx: Tx, credit_id: UUID, amount: Money, *, now: datetime) -> tuple[AccountCredit, VirtualAccount]:
    """Spend some of a credit as this very credit, never more than there is of it; and the account it is on.

    The caller debits the account's `ledger_account_id` in the same transaction. The credit stays held until that ends,
    so that two who spend it at once come one after the other.

    Raises: CreditNotFound, WrongState when it is on no account, CurrencyDiffers, CreditSpent.
    """
    assert amount.amount_minor > 0
    credit = await lock_credit(tx, credit_id)
    if credit.virtual_account_id is None:
        raise WrongState("the credit is on no virtual account", state=credit.state.value)
    if credit.amount.currency != amount.currency:
        raise CurrencyDiffers(currency=credit.amount.currency)
    if credit.left_minor < amount.amount_minor:
        raise CreditSpent(left_minor=credit.left_minor)
    account = await find_account(tx, credit.virtual_account_id)
    row = await tx.one(SQL.use_credit, tenant=tx.tenant, credit=credit_id, amount=amount.amount_minor, now=now)
    return credit_of(row), account


async def release_credit(tx: Tx, credit_id: UUID, amount: Money, *, now: datetime) -> AccountCredit:
    """What was spent of a credit is given back to it: the spending was reversed. The caller books the money back.

    Raises: CreditNotFound, CurrencyDiffers, CreditSpent when not so much of it was spent.
    """
    assert amount.amount_minor > 0
    credit = await lock_credit(tx, credit_id)
    if credit.amount.currency != amount.currency:
        raise CurrencyDiffers(currency=credit.amount.currency)
    if credit.used_minor < amount.amount_minor:
        raise CreditSpent("not so much of the credit was spent", left_minor=credit.left_minor)
    row = await tx.one(SQL.use_credit, tenant=tx.tenant, credit=credit_id, amount=-amount.amount_minor, now=now)
    return credit_of(row)
