"""Handlers for the actions of a Hasura engine: its payload in, its answer and its form of errors out.

    {"action": {"name"}, "input": {...}, "session_variables": {"x-hasura-...": ...}, "request_query": "..."}

Who asks is known by the Authorization header that the engine passes on; or, when the engine shows the secret it shares
with us (`X-Omniroute-Actions-Secret`), by its session variables: `x-hasura-tenant-id` (an organisation's id or UUID),
`x-hasura-user-id` and `x-hasura-role` (a role of the organisation, whose permissions count). `x-hasura-branch-ids`
(`{UUID,UUID}`), when it is there, binds the requester to these branches.

Members are written as GraphQL writes them. `amount` is in major units, exactly: `1500.00`, as a number or a text.
"""

from datetime import date
from typing import Any

import msgspec

from omniroute.api.actions_bulk import process_bulk
from omniroute.api.actions_form import Camel, MalformedAction, action, answer, shape
from omniroute.api.actions_payments import AccountDetails, PaymentInput, amount_of, payee_of, payment_shown
from omniroute.api.call import Call
from omniroute.api.operations import Raw, Reply
from omniroute.api.payments_enquiries import enquire
from omniroute.api.payments_shapes import InitiateIn, command_in, connection_id_in, request_in
from omniroute.kit import ids
from omniroute.kit.currency import exponent
from omniroute.kit.money import decimal_text
from omniroute.ledger import account_id, reads
from omniroute.money import connections, payments
from omniroute.money.connections.errors import ConnectionNotFound
from omniroute.money.payments import NotInitiated, Standing
from omniroute.parties.access import Permission
from omniroute.ports.rails import StatementLine

PAGES_MAX = 50


class VerifyInput(Camel):
    """Whose account?"""

    account_number: str | None = None
    bank_code: str | None = None
    account_name: str | None = None
    phone: str | None = None
    provider: str | None = None
    country: str | None = None
    connection: str | None = None


class FetchInput(Camel):
    """Statement of a bank connection on a day, or of a ledger account over a range of days."""

    connection: str | None = None
    account_code: str | None = None
    statement_date: date | None = None
    start_date: date | None = None
    end_date: date | None = None
    cursor: str | None = None


# -- payments ---------------------------------------------------------------------------------------------------------


def _request(call: Call, asked: PaymentInput) -> payments.Request:
    """Raises: MalformedAction and what is refused of a payment's form."""
    source = asked.source_account if isinstance(asked.source_account, str) else asked.source_account.account_code
    body = shape(
        {
            "reference": asked.reference,
            "type": asked.type,
            "amount": amount_of(asked.amount, asked.amount_minor, asked.currency),
            "currency": asked.currency,
            "source": source or "",
            "payee": msgspec.to_builtins(payee_of(asked.destination_account)),
            "narration": asked.narration,
            "metadata": asked.metadata,
            "connection": asked.connection,
        },
        InitiateIn,
    )
    return request_in(call, command_in(body), None)


async def _initiate(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    request = _request(call, shape(given, PaymentInput))
    outcome = await call.services.payments.initiator.initiate(call.tenant_id, request)
    if isinstance(outcome, NotInitiated):
        raise outcome.refusal
    if not outcome.payment.attempt_count:
        return payment_shown(Standing(outcome.payment, None))
    async with call.services.db.tx(call.tenant_id, branches=call.caller.branches, readonly=True) as tx:
        return payment_shown(await payments.find_payment(tx, outcome.payment.payment_id))


async def _verify(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    asked = shape(given, VerifyInput)
    payee = payee_of(
        AccountDetails(
            account_number=asked.account_number,
            bank_code=asked.bank_code,
            account_name=asked.account_name,
            phone=asked.phone,
            provider=asked.provider,
            country=asked.country,
        )
    )
    party, chosen, said = await enquire(call, payee, None, asked.connection)
    return {
        "verified": said.holder.active and said.fits is not False,
        "active": said.holder.active,
        "accountName": said.holder.name,
        "accountNumber": party.identifier,
        "bankCode": party.institution,
        "matchScore": said.score,
        "rail": chosen.rail,
    }


# -- statements -------------------------------------------------------------------------------------------------------


async def _fetch(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    asked = shape(given, FetchInput)
    if (asked.connection is None) == (asked.account_code is None):
        raise MalformedAction("either `connection` or `accountCode`")
    if asked.account_code is not None:
        return await _ledger_statement(call, asked, asked.account_code)
    return await _rail_statement(call, asked, asked.connection or "")


async def _ledger_statement(call: Call, asked: FetchInput, code: str) -> dict[str, Any]:
    call.require(Permission.LEDGER_READ)
    first, last = asked.start_date or asked.statement_date, asked.end_date or asked.statement_date
    days: dict[str, date] = {"from_on": first} if first is not None else {}
    days |= {"to_on": last} if last is not None else {}
    async with call.services.db.tx(call.tenant_id, branches=call.caller.branches, readonly=True) as tx:
        found = await reads.statement(tx, account_id(tx.tenant, code), limit=500, cursor=asked.cursor, **days)  # type: ignore[arg-type]  # Only days.
    decimals = exponent(found.account.currency)
    return {
        "accountId": str(found.account.account_id),
        "accountCode": code,
        "statementDate": last or call.today,
        "currency": found.account.currency,
        "openingBalance": decimal_text(found.opening_minor, decimals),
        "closingBalance": decimal_text(found.closing_minor, decimals),
        "totalCredits": decimal_text(found.credit_minor, decimals),
        "totalDebits": decimal_text(found.debit_minor, decimals),
        "entries": [
            {
                "id": ids.show("txn", line.transaction_id),
                "bookedAt": line.booked_at,
                "type": str(line.side).upper(),
                "amount": decimal_text(line.amount_minor, decimals),
                "balanceAfter": decimal_text(line.balance_minor, decimals),
                "reference": line.reference,
            }
            for line in found.lines
        ],
        "nextCursor": found.next_cursor,
    }


async def _rail_statement(call: Call, asked: FetchInput, text: str) -> dict[str, Any]:
    links, day = call.services.payments.links, asked.statement_date or call.today
    async with call.services.db.tx(call.tenant_id, branches=call.caller.branches, readonly=True) as tx:
        known = await connections.open_connections(tx)
        wanted = connection_id_in(text, [(one.connection_id, one.code) for one in known])
        if wanted is None:
            raise ConnectionNotFound()
        found = await connections.find_connection(tx, wanted)
    lines: list[StatementLine] = []
    cursor = asked.cursor
    for _ in range(PAGES_MAX):
        page = await connections.statement_of(links, call.tenant_id, found, day, cursor)
        lines += page.lines
        cursor = page.cursor
        if cursor is None:
            break
    decimals = exponent(found.currency)

    def total(credit: bool) -> str:
        return decimal_text(sum(line.amount.amount_minor for line in lines if line.credit is credit), decimals)

    return {
        "accountId": str(found.float_account_id),
        "connectionId": ids.show("con", found.connection_id),
        "statementDate": day,
        "currency": found.currency,
        "totalCredits": total(True),
        "totalDebits": total(False),
        "entries": [
            {
                "id": line.line_id,
                "bookedAt": line.booked_at,
                "type": "CREDIT" if line.credit else "DEBIT",
                "amount": decimal_text(line.amount.amount_minor, decimals),
                "balanceAfter": None
                if line.balance_after is None
                else decimal_text(line.balance_after.amount_minor, decimals),
                "reference": line.our_ref,
                "bankReference": line.provider_ref,
                "narration": line.narration,
            }
            for line in lines
        ],
        "nextCursor": cursor,
    }


@action("initiate-payment")
async def action_initiate_payment(call: Call, raw: Raw) -> Reply:
    """Initiate a payment for a Hasura engine.

    Input: `reference`, `type`, `amount` (major units) or `amountMinor`, `currency`, `sourceAccount` (a code, or
    `{accountCode}`), `destinationAccount` (`{bankCode, accountNumber, accountName}`, `{phone, provider}` or
    `{accountCode}`), `narration`, `metadata`, `connection`. Output: `id`, `reference`, `status`, `externalReference`
    and more. The reference makes a repeat harmless.
    """
    return await answer(call, raw, Permission.PAYMENTS_INITIATE, _initiate)


@action("process-bulk-payment")
async def action_process_bulk_payment(call: Call, raw: Raw) -> Reply:
    """Send in many payments as one batch, for a Hasura engine.

    Input: `batchId` (a UUID) and `payments`, up to 10,000. They become a batch with that id as its reference: every
    line is checked, and those that can be paid wait for the approval of somebody else. Output: `batchId`,
    `totalProcessed`, `successCount`, `failedCount` and `failures` (`reference`, `error`); `id`, `paymentBatchId` and
    `status` of the batch. A repeat does nothing twice and tells how far it is.
    """
    return await answer(call, raw, Permission.BATCHES_WRITE, process_bulk)


@action("verify-account")
async def action_verify_account(call: Call, raw: Raw) -> Reply:
    """Ask a rail whose an account is, for a Hasura engine.

    Input: `bankCode` and `accountNumber`, or `phone` (and `provider`); `accountName` to compare with. Output:
    `accountName`, `verified`, `matchScore` and more.
    """
    return await answer(call, raw, Permission.PAYMENTS_ENQUIRE, _verify)


@action("fetch-statement")
async def action_fetch_statement(call: Call, raw: Raw) -> Reply:
    """Fetch a statement for a Hasura engine.

    Input: `connection` and `statementDate`, or `accountCode` with `startDate` and `endDate`; `cursor` goes on. Output:
    `entries` with totals and balances.
    """
    return await answer(call, raw, Permission.CONNECTIONS_READ, _fetch)
