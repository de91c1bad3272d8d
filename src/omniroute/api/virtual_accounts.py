"""Virtual accounts, and the money that comes in on them, over HTTP."""

from omniroute.api.call import Call
from omniroute.api.operations import Reply, operation
from omniroute.api.payments_shapes import payee_in
from omniroute.api.shapes import PageOut, page, parse_id
from omniroute.api.virtual_accounts_shapes import (
    ACTIVE,
    BODY,
    CREDIT,
    PLACED,
    REQUESTED,
    RETURNING,
    AssignCreditIn,
    CreateVirtualAccountIn,
    CreditOut,
    CreditsIn,
    PlaceCreditIn,
    ReturnCreditIn,
    TurnVirtualAccountIn,
    VirtualAccountOut,
    VirtualAccountsIn,
    account_out,
    command_in,
    credit_out,
)
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.money import collections
from omniroute.money.collections import AccountStatus, CreditState, VirtualAccount
from omniroute.parties.access import Permission

_ACCOUNTS = "/v1/{tenant}/virtual-accounts"
_ACCOUNT = _ACCOUNTS + "/{virtual_account}"
_CREDITS = "/v1/{tenant}/credits"
_CREDIT = _CREDITS + "/{credit}"
_TAG = "Virtual accounts"

_REQUESTING = (
    "collections.malformed", "collections.no_issuer", "collections.several_issuers", "collections.reference_taken",
    "partners.not_found", "partners.closed",
)  # fmt: skip
_TURNING = ("collections.account_not_found", "collections.wrong_state")
_DECIDING = ("collections.credit_not_found", "collections.wrong_state")


async def _shown(tx: Tx, account: VirtualAccount) -> VirtualAccountOut:
    balances = await collections.find_balances(tx, [account])
    return account_out(account, balances.get(account.virtual_account_id))


@operation(
    "POST", _ACCOUNTS, tag=_TAG, status=201, permission=Permission.COLLECTIONS_WRITE, whole=True,
    body=CreateVirtualAccountIn, reply=VirtualAccountOut, idempotent=True, refusals=_REQUESTING, example=BODY,
    example_reply=REQUESTED,
)  # fmt: skip
async def create_virtual_account(call: Call, tx: Tx, body: CreateVirtualAccountIn) -> Reply:
    """Want a virtual account.

    It is `requested` until the provider has answered, most often within a second: show it again, or wait for
    `virtual_account.opened`. The same reference is the same account.
    """
    account, _ = await collections.request_account(
        tx, command_in(body), actor=call.caller.subject, now=call.now, meta=call.meta
    )
    return Reply(await _shown(tx, account))


@operation(
    "GET", _ACCOUNTS, tag=_TAG, permission=Permission.COLLECTIONS_READ, query=VirtualAccountsIn,
    reply=PageOut[VirtualAccountOut], sorts=collections.VIRTUAL_ACCOUNTS.sorts, example_query={"status": "active"},
    example_reply={"items": [ACTIVE], "next_cursor": None},
)  # fmt: skip
async def list_virtual_accounts(call: Call, tx: Tx, query: VirtualAccountsIn) -> PageOut[VirtualAccountOut]:
    """List virtual accounts, the latest first unless `sort` says otherwise."""
    found = await collections.list_accounts(
        tx,
        status=None if query.status is None else AccountStatus(query.status),
        owner_id=parse_id("ptn", query.owner_id),
        account_number=query.account_number,
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    balances = await collections.find_balances(tx, found.items)
    return page(found, lambda one: account_out(one, balances.get(one.virtual_account_id)))


@operation(
    "GET", _ACCOUNT, tag=_TAG, permission=Permission.COLLECTIONS_READ, reply=VirtualAccountOut,
    refusals=("collections.account_not_found",), example_reply=ACTIVE,
)  # fmt: skip
async def get_virtual_account(call: Call, tx: Tx) -> VirtualAccountOut:
    """Show a virtual account."""
    return await _shown(tx, await collections.find_account(tx, call.id("virtual_account")))


@operation(
    "POST", _ACCOUNT + "/suspend", tag=_TAG, permission=Permission.COLLECTIONS_WRITE, whole=True,
    body=TurnVirtualAccountIn, reply=VirtualAccountOut, idempotent=True, refusals=_TURNING, example={},
    example_reply=ACTIVE | {"status": "suspended", "version": 3},
)  # fmt: skip
async def suspend_virtual_account(call: Call, tx: Tx, body: TurnVirtualAccountIn) -> VirtualAccountOut:
    """Let what comes in on a virtual account wait for a person until it is resumed."""
    account_id = call.id("virtual_account")
    return await _shown(tx, await collections.suspend_account(tx, account_id, now=call.now, meta=call.meta))


@operation(
    "POST", _ACCOUNT + "/resume", tag=_TAG, permission=Permission.COLLECTIONS_WRITE, whole=True,
    body=TurnVirtualAccountIn, reply=VirtualAccountOut, idempotent=True, refusals=_TURNING, example={},
    example_reply=ACTIVE | {"version": 4},
)  # fmt: skip
async def resume_virtual_account(call: Call, tx: Tx, body: TurnVirtualAccountIn) -> VirtualAccountOut:
    """Book what comes in on a virtual account again."""
    account_id = call.id("virtual_account")
    return await _shown(tx, await collections.resume_account(tx, account_id, now=call.now, meta=call.meta))


@operation(
    "POST", _ACCOUNT + "/close", tag=_TAG, permission=Permission.COLLECTIONS_WRITE, whole=True,
    body=TurnVirtualAccountIn, reply=VirtualAccountOut, idempotent=True, refusals=_TURNING, example={},
    example_reply=ACTIVE | {"status": "closed", "ended_at": "2026-11-22T08:00:00Z", "version": 3},
)  # fmt: skip
async def close_virtual_account(call: Call, tx: Tx, body: TurnVirtualAccountIn) -> VirtualAccountOut:
    """Close a virtual account for good, here and at the provider. What is on it stays there."""
    account_id = call.id("virtual_account")
    return await _shown(tx, await collections.close_account(tx, account_id, now=call.now, meta=call.meta))


# -- credits ----------------------------------------------------------------------------------------------------------


@operation(
    "GET", _CREDITS, tag=_TAG, permission=Permission.COLLECTIONS_READ, query=CreditsIn, reply=PageOut[CreditOut],
    sorts=collections.CREDITS.sorts, example_query={"state": "unplaced"},
    example_reply={"items": [CREDIT], "next_cursor": None},
)  # fmt: skip
async def list_credits(call: Call, tx: Tx, query: CreditsIn) -> PageOut[CreditOut]:
    """List money that came in, the latest first unless `sort` says otherwise."""
    found = await collections.list_credits(
        tx,
        state=None if query.state is None else CreditState(query.state),
        virtual_account_id=parse_id("vac", query.virtual_account_id),
        session_id=query.session_id,
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, credit_out)


@operation(
    "GET", _CREDIT, tag=_TAG, permission=Permission.COLLECTIONS_READ, reply=CreditOut,
    refusals=("collections.credit_not_found",), example_reply=CREDIT,
)  # fmt: skip
async def get_credit(call: Call, tx: Tx) -> CreditOut:
    """Show money that came in."""
    return credit_out(await collections.find_credit(tx, call.id("credit")))


@operation(
    "POST", _CREDIT + "/assign", tag=_TAG, permission=Permission.COLLECTIONS_WRITE, whole=True, body=AssignCreditIn,
    reply=CreditOut, idempotent=True, refusals=_DECIDING, example={"user_id": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r"},
    example_reply=CREDIT | {"assigned_to": "usr_01jd3m8q4vv8k8x2n0c5t7yh6r"},
)  # fmt: skip
async def assign_credit(call: Call, tx: Tx, body: AssignCreditIn) -> CreditOut:
    """Say who looks after money that waits."""
    if body.user_id is not None:
        ids.parse("usr", body.user_id)
    return credit_out(await collections.assign_credit(tx, call.id("credit"), assigned_to=body.user_id, now=call.now))


@operation(
    "POST", _CREDIT + "/place", tag=_TAG, permission=Permission.COLLECTIONS_WRITE, whole=True, body=PlaceCreditIn,
    reply=CreditOut, idempotent=True,
    refusals=(*_DECIDING, "collections.account_not_found", "collections.currency_differs", "ledger.account_frozen"),
    example={"virtual_account_id": "vac_01jd3m8q4vv8k8x2n0c5t7yh6r", "note": "Order 1008"}, example_reply=PLACED,
)  # fmt: skip
async def place_credit(call: Call, tx: Tx, body: PlaceCreditIn) -> CreditOut:
    """Put money that waits on a virtual account."""
    placed = await collections.place_credit(
        tx,
        call.id("credit"),
        ids.parse("vac", body.virtual_account_id),
        actor=call.caller.subject,
        note=body.note,
        now=call.now,
        today=call.today,
        meta=call.meta,
    )
    return credit_out(placed)


@operation(
    "POST", _CREDIT + "/return", tag=_TAG, permission=Permission.COLLECTIONS_WRITE, whole=True, body=ReturnCreditIn,
    reply=CreditOut, idempotent=True,
    refusals=(
        *_DECIDING, "collections.payer_unknown", "collections.fee_unsteady", "payments.malformed", "payments.no_route",
        "payments.limit_exceeded", "institutions.malformed_payee",
    ),
    example={"note": "Not ours"}, example_reply=RETURNING | {"note": "Not ours"},
)  # fmt: skip
async def return_credit(call: Call, tx: Tx, body: ReturnCreditIn) -> CreditOut:
    """Pay money that waits back.

    Whoever does so may initiate payments, too (`payments.initiate`). It goes by the rules of all payments, with
    approvals where they want some; our fee for it is taken from the amount. When the payment does not reach the payee,
    the money waits again.
    """
    call.require(Permission.PAYMENTS_INITIATE)
    credit_id = call.id("credit")
    credit = await collections.find_credit(tx, credit_id)
    returned = await collections.return_credit(
        tx,
        credit_id,
        payee=None if body.payee is None else payee_in(body.payee, credit.amount.currency),
        actor=call.caller.subject,
        branches=call.caller.branches,
        note=body.note,
        rules=await call.services.payments.rulebooks.get(call.tenant_id),
        now=call.now,
        today=call.today,
        meta=call.meta,
    )
    return credit_out(returned)
