"""Ledger accounts over HTTP."""

import re
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from omniroute import ledger
from omniroute.api.call import Call
from omniroute.api.errors import UnknownBranch
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import (
    AccountText,
    AmountIn,
    AmountOut,
    BranchId,
    Currency,
    In,
    Instant,
    ListIn,
    Name,
    Out,
    PageOut,
    Revision,
    page,
    parse_id,
    show_id,
)
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import json_amount, parse_amount
from omniroute.ledger import charts
from omniroute.parties.access import Permission

_ID = re.compile(r"acc_[0-7][0-9a-hjkmnp-tv-z]{25}")
_ACCOUNT = "/v1/{tenant}/ledger/accounts/{account}"

Type = Literal["asset", "liability", "equity", "income", "expense"]
Code = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$", description="Never changes.", examples=["wallet:amina"])
]
Dimensions = dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=200)]]


class OpenAccountIn(In):
    """A new account. Limits are on the account's normal side; null is no limit; a floor below zero is credit."""

    code: Code
    name: Name
    type: Type
    currency: Currency
    mode: Literal["strict", "deferred"] = "strict"
    parent: AccountText | None = None
    branch_id: BranchId | None = None
    owner_ref: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    dimensions: Dimensions = msgspec.field(default_factory=dict)
    floor: AmountIn | None = None
    ceiling: AmountIn | None = None


class DescribeAccountIn(In):
    """What to change; what is left out stays."""

    name: Name | None = None
    owner_ref: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    dimensions: Dimensions | None = None


class LimitsIn(In):
    """Both limits, as they shall be from now on; null is no limit."""

    floor: AmountIn | None
    ceiling: AmountIn | None


class StatusIn(In):
    """`frozen` may be opened again; `closed` is for ever and needs an empty account."""

    status: Literal["open", "frozen", "closed"]


class AccountsIn(ListIn):
    """Which accounts."""

    prefix: Annotated[str, Meta(min_length=1, max_length=128, description="Codes that begin with this.")] | None = None
    type: Type | None = None
    currency: Currency | None = None
    status: Literal["open", "frozen", "closed"] | None = None
    parent: AccountText | None = None
    branch_id: BranchId | None = None
    owner_ref: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class ChartIn(In):
    """Which chart of accounts, in which currency; `prefix` stands before every code."""

    template: Literal["platform", "merchant", "rider", "customer"]
    currency: Currency
    prefix: Annotated[str, Meta(max_length=64)] = ""
    owner_ref: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    branch_id: BranchId | None = None


class ChartOut(Out):
    """The accounts of the chart."""

    accounts: list["AccountOut"]


class AccountOut(Out):
    """An account."""

    id: str
    code: str
    name: str
    type: str
    normal_side: Literal["debit", "credit"]
    currency: str
    mode: Literal["strict", "deferred"]
    status: Literal["open", "frozen", "closed"]
    parent_id: str | None
    branch_id: str | None
    owner_ref: str | None
    dimensions: dict[str, str]
    floor: AmountOut | None
    ceiling: AmountOut | None
    opened_at: Instant
    revision: Revision


class BalanceOut(Out):
    """Balances on the account's normal side. `available` is what may still leave: posted less what is held."""

    account_id: str
    currency: str
    normal_side: Literal["debit", "credit"]
    posted: AmountOut
    available: AmountOut
    posted_debit: AmountOut
    posted_credit: AmountOut
    pending_debit: AmountOut
    pending_credit: AmountOut
    floor: AmountOut | None
    ceiling: AmountOut | None
    version: int | None


def account_out(account: ledger.Account) -> AccountOut:
    """An account as shown."""
    return AccountOut(
        id=ids.show("acc", account.account_id),
        code=account.code,
        name=account.name,
        type=account.type.value,
        normal_side=account.normal_side.value,
        currency=account.currency,
        mode=account.mode.value,
        status=account.status.value,
        parent_id=show_id("acc", account.parent_id),
        branch_id=show_id("brn", account.branch_id),
        owner_ref=account.owner_ref,
        dimensions=dict(sorted(account.dimensions.items())),
        floor=_limit_out(account.floor_minor),
        ceiling=_limit_out(account.ceiling_minor),
        opened_at=account.opened_at,
        revision=account.revision,
    )


def _limit_out(minor: int | None) -> int | str | None:
    return None if minor is None else json_amount(minor)


def _limit_in(amount: int | str | None) -> int | None:
    return None if amount is None else parse_amount(amount)


def balance_out(balance: ledger.Balance) -> BalanceOut:
    """A balance as shown."""
    return BalanceOut(
        account_id=ids.show("acc", balance.account_id),
        currency=balance.currency,
        normal_side=balance.normal_side.value,
        posted=json_amount(balance.posted_minor),
        available=json_amount(balance.available_minor),
        posted_debit=json_amount(balance.posted_debit),
        posted_credit=json_amount(balance.posted_credit),
        pending_debit=json_amount(balance.pending_debit),
        pending_credit=json_amount(balance.pending_credit),
        floor=_limit_out(balance.floor_minor),
        ceiling=_limit_out(balance.ceiling_minor),
        version=balance.version,
    )


def account_in(tenant_id: UUID, text: str) -> UUID:
    """The account that a code or an `acc_` id names; whether it exists is for the ledger to say."""
    is_id = text.startswith("acc_") and _ID.fullmatch(text)
    return ids.parse("acc", text) if is_id else ledger.account_id(tenant_id, text)


def _account(call: Call) -> UUID:
    return account_in(call.tenant_id, call.path["account"])


def _versioned(account: ledger.Account, status: int | None = None) -> Reply:
    return Reply(account_out(account), version=account.revision, status=status)


def _check_branch(call: Call, branch_id: UUID | None) -> None:
    branches = call.caller.branches
    if branches is not None and branch_id not in branches:
        raise UnknownBranch()


EXAMPLE = {
    "id": "acc_01jd3m8q4vv8k8x2n0c5t7yh6r", "code": "wallet:amina", "name": "Amina's wallet", "type": "liability",
    "normal_side": "credit", "currency": "NGN", "mode": "strict", "status": "open", "parent_id": None,
    "branch_id": None,
    "owner_ref": "customer:4711", "dimensions": {"region": "kano"}, "floor": 0, "ceiling": None,
    "opened_at": "2026-11-21T08:00:00Z", "revision": 1,
}  # fmt: skip


@operation(
    "POST", "/v1/{tenant}/ledger/accounts", tag="Accounts", status=201, permission=Permission.LEDGER_ACCOUNTS_WRITE,
    body=OpenAccountIn, reply=AccountOut, versioned=True, idempotent=True, example_reply=EXAMPLE,
    refusals=("ledger.malformed_account", "ledger.limit_on_deferred", "ledger.limit_against_balance",
              "ledger.account_not_found",
              "ledger.account_code_taken", "api.unknown_branch", "kit.malformed_amount"),
    example={"code": "wallet:amina", "name": "Amina's wallet", "type": "liability", "currency": "NGN", "floor": 0,
             "owner_ref": "customer:4711", "dimensions": {"region": "kano"}},
)  # fmt: skip
async def open_account(call: Call, tx: Tx, body: OpenAccountIn) -> Reply:
    """Open an account.

    A second opening with the same properties answers with the account as it is. `deferred` accounts take any number
    of postings a second and have no limits.
    """
    branch_id = parse_id("brn", body.branch_id)
    _check_branch(call, branch_id)
    command = ledger.OpenAccount(
        code=body.code,
        name=body.name,
        type=ledger.AccountType(body.type),
        currency=body.currency,
        mode=ledger.Mode(body.mode),
        parent=body.parent,
        branch_id=branch_id,
        owner_ref=body.owner_ref,
        dimensions=body.dimensions,
        floor_minor=_limit_in(body.floor),
        ceiling_minor=_limit_in(body.ceiling),
    )
    return _versioned(await ledger.open_account(tx, command, now=call.now, meta=call.meta))


@operation(
    "GET", "/v1/{tenant}/ledger/accounts", tag="Accounts", permission=Permission.LEDGER_READ, query=AccountsIn,
    reply=PageOut[AccountOut], sorts=ledger.ACCOUNTS.sorts, example_query={"prefix": "wallet:"},
    example_reply={"items": [EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_accounts(call: Call, tx: Tx, query: AccountsIn) -> PageOut[AccountOut]:
    """List accounts, by code unless `sort` says otherwise."""
    found = await ledger.list_accounts(
        tx,
        prefix=query.prefix,
        account_type=None if query.type is None else ledger.AccountType(query.type),
        currency=query.currency,
        status=None if query.status is None else ledger.AccountStatus(query.status),
        parent_id=None if query.parent is None else account_in(call.tenant_id, query.parent),
        branch_id=parse_id("brn", query.branch_id),
        owner_ref=query.owner_ref,
        limit=query.limit,
        sort=query.sort,
        cursor=query.cursor,
    )
    return page(found, account_out)


@operation(
    "GET", _ACCOUNT, tag="Accounts", permission=Permission.LEDGER_READ, reply=AccountOut, versioned=True,
    refusals=("ledger.account_not_found",), example_reply=EXAMPLE,
)  # fmt: skip
async def get_account(call: Call, tx: Tx) -> Reply:
    """Show an account."""
    return _versioned(await ledger.find_account(tx, _account(call)))


@operation(
    "PATCH", _ACCOUNT, tag="Accounts", permission=Permission.LEDGER_ACCOUNTS_WRITE, body=DescribeAccountIn,
    reply=AccountOut, versioned=True, changes_version=True, example={"name": "Amina Bello's wallet"},
    refusals=("ledger.account_not_found", "ledger.account_changed", "ledger.malformed_account"), example_reply=EXAMPLE,
)  # fmt: skip
async def describe_account(call: Call, tx: Tx, body: DescribeAccountIn) -> Reply:
    """Change an account's name, owner reference or dimensions."""
    account = await ledger.describe_account(
        tx,
        _account(call),
        name=body.name,
        owner_ref=body.owner_ref,
        dimensions=body.dimensions,
        revision=call.version,
        meta=call.meta,
    )
    return _versioned(account)


@operation(
    "PUT", _ACCOUNT + "/limits", tag="Accounts", permission=Permission.LEDGER_LIMITS_WRITE, body=LimitsIn,
    reply=AccountOut, versioned=True, changes_version=True, example={"floor": -500000, "ceiling": None},
    refusals=("ledger.account_not_found", "ledger.account_changed", "ledger.limit_on_deferred",
              "ledger.limit_against_balance",
              "kit.malformed_amount"),
    example_reply=EXAMPLE | {"floor": -500000, "revision": 2},
)  # fmt: skip
async def set_account_limits(call: Call, tx: Tx, body: LimitsIn) -> Reply:
    """Set an account's floor and ceiling.

    Judged under the same lock as postings, holds included.
    """
    account = await ledger.set_limits(
        tx,
        _account(call),
        floor_minor=_limit_in(body.floor),
        ceiling_minor=_limit_in(body.ceiling),
        revision=call.version,
        meta=call.meta,
    )
    return _versioned(account)


@operation(
    "PUT", _ACCOUNT + "/status", tag="Accounts", permission=Permission.LEDGER_ACCOUNTS_WRITE, body=StatusIn,
    reply=AccountOut, versioned=True, changes_version=True, example={"status": "frozen"},
    refusals=("ledger.account_not_found", "ledger.account_changed", "ledger.account_closed",
              "ledger.account_not_empty"),
    example_reply=EXAMPLE | {"status": "frozen", "revision": 2},
)  # fmt: skip
async def set_account_status(call: Call, tx: Tx, body: StatusIn) -> Reply:
    """Freeze, open or close an account."""
    status = ledger.AccountStatus(body.status)
    return _versioned(await ledger.set_status(tx, _account(call), status, revision=call.version, meta=call.meta))


@operation(
    "GET", _ACCOUNT + "/balance", tag="Accounts", permission=Permission.LEDGER_READ, reply=BalanceOut,
    refusals=("ledger.account_not_found",),
    example_reply={"account_id": "acc_01jd3m8q4vv8k8x2n0c5t7yh6r", "currency": "NGN", "normal_side": "credit",
                   "posted": 150000, "available": 120000, "posted_debit": 0, "posted_credit": 150000,
                   "pending_debit": 30000, "pending_credit": 0, "floor": 0, "ceiling": None, "version": 3},
)  # fmt: skip
async def get_balance(call: Call, tx: Tx) -> BalanceOut:
    """Show an account's balance now."""
    account_id = _account(call)
    await ledger.find_account(tx, account_id)
    return balance_out((await ledger.find_balances(tx, [account_id]))[account_id])


@operation(
    "POST", "/v1/{tenant}/ledger/charts", tag="Accounts", status=201, permission=Permission.LEDGER_ACCOUNTS_WRITE,
    body=ChartIn, reply=ChartOut, idempotent=True, example={"template": "merchant", "currency": "NGN"},
    refusals=("ledger.unknown_template", "ledger.malformed_account", "ledger.account_code_taken", "api.unknown_branch"),
)  # fmt: skip
async def apply_chart(call: Call, tx: Tx, body: ChartIn) -> ChartOut:
    """Open the accounts of a chart.

    Those that exist with the same properties stay as they are.
    """
    branch_id = parse_id("brn", body.branch_id)
    _check_branch(call, branch_id)
    accounts = await charts.apply_template(
        tx,
        body.template,
        currency=body.currency,
        prefix=body.prefix,
        owner_ref=body.owner_ref,
        branch_id=branch_id,
        now=call.now,
        meta=call.meta,
    )
    return ChartOut(accounts=[account_out(account) for account in accounts])
