"""The connector of Monnify.

Credentials: public `contract_code` and, where wanted, `preferred_bank` (the bank that new accounts are at) and
`wallet_account` (whose balance is ours); secret `api_key` and `secret_key`, and `bvn` or `nin` where the contract wants
one with every account.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from omniroute.connectors.monnify.wire import (
    NAME_MIN,
    account_body,
    is_missing_account,
    is_missing_transaction,
    is_of_an_account,
    is_signed,
    milliseconds,
    position,
    raw_of,
    read_account,
    read_body,
    read_credit,
    read_line,
    read_refusal,
    right,
    unreadable,
)
from omniroute.connectors.replies import (
    amount,
    identifier,
    message,
    part,
    plain,
    read_object,
    send_order,
    text,
    token_for_order,
)
from omniroute.infra.http import Reply, Request
from omniroute.infra.telemetry import logger
from omniroute.ports.rails import (
    AccountWanted,
    Ack,
    Answer,
    Balance,
    Callback,
    Capabilities,
    CodeTable,
    Context,
    Credit,
    CreditPage,
    EventKind,
    Holder,
    Institution,
    IssuedAccount,
    NotSent,
    Operation,
    Outcome,
    Party,
    Payout,
    RailAnswerUnreadable,
    RailEvent,
    RailPolicy,
    RailUnable,
    Result,
    StatementPage,
    Trust,
)

log = logger("omniroute.monnify")

CURRENCY = "NGN"
TOKEN = "access"  # noqa: S105 - its name in the cache.
TOKEN_LIFE = timedelta(minutes=5)
"""Of a token that does not say how long it lives."""
SECRETS = frozenset(
    {"authorization", "accessToken", "bvn", "nin", "customerEmail", "customerName", "accountName", "email", "name"}
)
SIGNATURE = "monnify-signature"
CREDITS_MAX = 20
"""Transactions on a page of the search, where each is asked about by itself."""
LINES_MAX = 100
"""And where none is."""

_ACCOUNTS = "bank-transfer/reserved-accounts"
_COLLECTED = "SUCCESSFUL_TRANSACTION"

CAPABILITIES = Capabilities(
    frozenset({Operation.VIRTUAL_ACCOUNTS, Operation.BALANCE, Operation.STATEMENT}),
    frozenset({CURRENCY}),
    frozenset({"NG"}),
    frozenset(),
)
POLICY = RailPolicy(
    query_after=tuple(timedelta(seconds=wait) for wait in (5, 30, 300, 3600)),
    query_for=timedelta(days=3),
    not_found_times=5,
    not_found_after=timedelta(days=3),
    concurrency_max=10,
    callbacks_signed=True,
)


class Monnify:
    """Account numbers for collections. It pays nothing out here."""

    rail = "monnify"

    def __init__(self) -> None:
        raw = files("omniroute.connectors.monnify").joinpath("codes.json").read_bytes()
        self._codes = {phase: CodeTable.parse(raw, phase) for phase in ("submit", "query", "callback")}

    def capabilities(self) -> Capabilities:
        """Account numbers in naira, what was paid to them day by day, and the balance of the wallet that collects."""
        return CAPABILITIES

    def policy(self) -> RailPolicy:
        """Waits of payouts, of which there are none; notifications are signed."""
        return POLICY

    def codes(self) -> Mapping[str, CodeTable]:
        """What the states of a transaction mean, when we ask and when Monnify notifies."""
        return self._codes

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str:
        """Our name for something at Monnify: thirty-two digits of base sixteen. Raises: RailUnable."""
        if not context_public.get("contract_code"):
            raise RailUnable("the connection has no contract_code; Monnify's dashboard shows it")
        return attempt_id.hex

    # -- account numbers --------------------------------------------------------------------------------------

    async def open_account(self, context: Context, wanted: AccountWanted) -> IssuedAccount:
        """Open the account, or find it if it is open under this name. Raises: RailUnable; NotSent; Fault is unknown."""
        bank = wanted.bank_code or context.credentials.public.get("preferred_bank") or None
        body = account_body(wanted, self._check_wanted(context, wanted), bank, _identity(context))
        token = await token_for_order(context, TOKEN, lambda: self._fetch_token(context))
        request = self._request(context, "POST", f"v2/{_ACCOUNTS}", "open_account", token)
        reply = await send_order(context, replace(request, body=body))
        if reply.status == 401:
            context.tokens.forget(TOKEN)
            raise NotSent("Monnify refused our access token before it looked at the request")
        if read_refusal(reply) is not None:
            return await self._refused(context, wanted, reply)
        found = read_account(read_body(reply) or {}, wanted.our_ref, bank)
        if found is None:
            raise unreadable("which account it opened", reply)
        return right(found, wanted)

    async def find_account(self, context: Context, our_ref: str) -> IssuedAccount | None:
        """The account under this name; None when there is none. Raises: Fault."""
        reply = await self._ask(context, f"v2/{_ACCOUNTS}/{quote(our_ref, safe='')}", "find_account")
        if is_missing_account(reply):
            return None
        bank = context.credentials.public.get("preferred_bank")
        found = read_account(read_body(reply) or {}, our_ref, bank)
        if found is None:
            raise unreadable("what it knows of the account", reply)
        return found

    async def close_account(self, context: Context, our_ref: str) -> None:
        """Give the account back, for good. Raises: NotSent; Fault is unknown."""
        token = await token_for_order(context, TOKEN, lambda: self._fetch_token(context))
        path = f"v1/{_ACCOUNTS}/reference/{quote(our_ref, safe='')}"
        reply = await send_order(context, self._request(context, "DELETE", path, "close_account", token))
        if reply.status == 401:
            context.tokens.forget(TOKEN)
            raise NotSent("Monnify refused our access token before it looked at the request")
        data = read_body(reply)
        if is_missing_account(reply) or (data is not None and text(data.get("accountReference")) in (None, our_ref)):
            return
        raise unreadable("whether it closed the account", reply)

    async def find_credit(self, context: Context, credit_id: str) -> Credit | None:
        """What Monnify's books say of a transaction; None when it is none on an account number. Raises: Fault."""
        reply = await self._ask(context, f"v2/transactions/{quote(credit_id, safe='')}", "find_credit")
        if is_missing_transaction(reply):
            return None
        data = read_body(reply)
        if data is None or text(data.get("transactionReference")) != credit_id:
            raise unreadable("what became of the transaction", reply)
        return read_credit(data, self._codes["query"]) if is_of_an_account(data) else None

    async def fetch_credits(self, context: Context, since: datetime, cursor: str | None) -> CreditPage:
        """Credits since then, each as Monnify's books have it, those on their way among them. The search ends at its
        first page's time, so that what comes in meanwhile moves nothing from one page to another.

        Raises: Fault.
        """
        until, page = (milliseconds(context.clock.now()) + 1, 0) if cursor is None else position(cursor)
        listed, more = await self._search(context, page, CREDITS_MAX, milliseconds(since), until)
        asked = await asyncio.gather(*[self._confirmed(context, item) for item in listed], return_exceptions=True)
        found: list[Credit] = []
        for one in asked:
            if isinstance(one, BaseException):
                raise one  # Nothing is known of one of them: the page is asked for again.
            if one is not None:
                found.append(one)
        found.sort(key=lambda credit: (credit.paid_at, credit.credit_id))
        return CreditPage(tuple(found), f"{until}:{page + 1}" if more else None)

    # -- notifications ----------------------------------------------------------------------------------------

    def read_callback(self, context: Context, callback: Callback) -> Sequence[RailEvent]:
        """What a notification says. Signed and at our own address: verified; signed elsewhere: a hint; else nothing.

        Of money on an account number `result.provider_ref` is the transaction, also where the rest cannot be read.

        Raises: RailAnswerUnreadable.
        """
        data = read_object(callback.body) or {}
        event, told = text(data.get("eventType")), part(data, "eventData")
        if event is None or not told:
            raise RailAnswerUnreadable("the call tells of no event")
        signed = is_signed(
            context.credentials.secret.get("secret_key", ""), callback.body, callback.headers.get(SIGNATURE)
        )
        trust = (Trust.VERIFIED if callback.authentic else Trust.HINT) if signed else Trust.REJECTED
        reference, status = text(told.get("transactionReference")), text(told.get("paymentStatus"))
        answer = Answer(status or event, message(event), raw_of(told))
        if event != _COLLECTED or not is_of_an_account(told) or reference is None:
            key = sha256(callback.body).hexdigest()[:32]
            return [RailEvent(key, EventKind.OTHER, trust, Result(Outcome.UNKNOWN, answer, reference))]
        try:
            credit = read_credit(told, self._codes["callback"], paid_at=callback.received_at)
        except RailAnswerUnreadable:
            credit = None  # The question about it tells.
        outcome = self._codes["callback"].find(status).outcome
        result = Result(outcome if credit is not None else Outcome.UNKNOWN, answer, reference)
        key = sha256(repr((event, reference, status)).encode()).hexdigest()[:32]
        at = credit.paid_at if credit is not None else None
        return [RailEvent(key, EventKind.CREDIT, trust, result, at, credit=credit)]

    def acknowledge(self, callback: Callback) -> Ack:
        """Monnify wants 200 and reads nothing."""
        return Ack()

    async def fetch_balances(self, context: Context) -> Sequence[Balance]:
        """What our wallet holds; empty where the connection names none, but then at least its keys are tried.

        Raises: Fault.
        """
        wallet = context.credentials.public.get("wallet_account")
        if not wallet:
            await context.tokens.get(TOKEN, lambda: self._fetch_token(context))
            return []
        path = f"v2/disbursements/wallet-balance?{urlencode({'accountNumber': wallet})}"
        reply = await self._ask(context, path, "balance")
        body = read_body(reply) or {}
        available, booked = (amount(body.get(name), CURRENCY) for name in ("availableBalance", "ledgerBalance"))
        if available is None:
            raise unreadable("the balance", reply)
        now = context.clock.now()
        return [Balance("available", available, now), *([Balance("ledger", booked, now)] if booked is not None else [])]

    # -- what it does not do ----------------------------------------------------------------------------------

    def check(self, payout: Payout) -> None:
        """Nothing is paid out here. Raises: RailUnable."""
        raise RailUnable("Monnify takes money in here; it pays nothing out")

    async def submit(self, context: Context, payout: Payout) -> Result:
        """Not on this rail. Raises: RailUnable."""
        raise RailUnable("Monnify takes money in here; it pays nothing out")

    async def query(self, context: Context, payout: Payout, provider_ref: str | None) -> Result:
        """Not on this rail. Raises: RailUnable."""
        raise RailUnable("Monnify takes money in here; it knows no payouts")

    async def reverse(self, context: Context, payout: Payout, provider_ref: str, our_ref: str) -> Result:
        """Not on this rail. Raises: RailUnable."""
        raise RailUnable("Monnify takes money in here; it knows no payouts")

    async def resolve_party(self, context: Context, party: Party, *, our_ref: str) -> Holder:
        """Not on this rail. Raises: RailUnable."""
        raise RailUnable("Monnify is asked for no holders here; NIP knows them")

    async def fetch_statement(self, context: Context, day: date, cursor: str | None) -> StatementPage:
        """What was settled of the transactions that began that day (UTC): each line is net of Monnify's fee.

        What is given back later does not show. Raises: Fault.
        """
        start = datetime.combine(day, time(), UTC)
        page = 0 if cursor is None else position(cursor)[1]
        end = milliseconds(start + timedelta(days=1)) - 1
        listed, more = await self._search(context, page, LINES_MAX, milliseconds(start), end)
        lines = [line for item in listed if (line := read_line(item, self._codes["query"])) is not None]
        return StatementPage(tuple(lines), f"{end}:{page + 1}" if more else None)

    async def list_institutions(self, context: Context) -> Sequence[Institution]:
        """Not on this rail. Raises: RailUnable."""
        raise RailUnable("Monnify pays nobody here")

    # -- the wire ---------------------------------------------------------------------------------------------

    def _check_wanted(self, context: Context, wanted: AccountWanted) -> str:
        """Refuse what Monnify cannot open; the contract it is opened under. Raises: RailUnable."""
        contract = context.credentials.public.get("contract_code")
        if not contract:
            raise RailUnable("the connection has no contract_code; Monnify's dashboard shows it")
        if wanted.currency != CURRENCY:
            raise RailUnable("Monnify opens accounts in naira only", currency=wanted.currency)
        for field, name in (("account_name", wanted.account_name), ("customer_name", wanted.customer_name)):
            if len(plain(name, NAME_MIN)) < NAME_MIN:
                raise RailUnable(f"Monnify wants names of at least {NAME_MIN} letters", field=field)
        if "@" not in wanted.customer_email:
            raise RailUnable("Monnify opens no account without an e-mail address", field="customer_email")
        return contract

    async def _refused(self, context: Context, wanted: AccountWanted, reply: Reply) -> IssuedAccount:
        """Whatever it says: an account that is there under our name was opened before. Raises: RailUnable; Fault."""
        found = await self.find_account(context, wanted.our_ref)
        if found is None:
            raise RailUnable(f"Monnify opens no such account: {read_refusal(reply)}")
        return right(found, wanted)

    async def _confirmed(self, context: Context, listed: object) -> Credit | None:
        """What the books say of a line of the search. One that cannot be read keeps no other from being told."""
        line = listed if isinstance(listed, dict) else {}
        reference, status = text(line.get("transactionReference")), text(line.get("paymentStatus"))
        if reference is None or self._codes["query"].find(status).outcome is Outcome.DECLINED:
            return None
        try:
            return await self.find_credit(context, reference)
        except RailAnswerUnreadable as fault:
            log.error("a transaction could not be read", transaction=reference, reason=str(fault))
            return None

    async def _search(self, context: Context, page: int, size: int, start: int, end: int) -> tuple[list[Any], bool]:
        """A page of the transactions that began between these instants, and whether there are more. Raises: Fault."""
        query = urlencode({"page": page, "size": size, "from": start, "to": end})
        reply = await self._ask(context, f"v1/transactions/search?{query}", "search")
        body = read_body(reply) or {}
        listed, last = body.get("content"), body.get("last")
        if not isinstance(listed, list):
            raise unreadable("what was paid", reply)
        more = last is False if isinstance(last, bool) else len(listed) == size
        return listed, more and bool(listed)

    async def _ask(self, context: Context, path: str, operation: str) -> Reply:
        """A question; asking twice changes nothing. A token that is refused is fetched anew by the next one."""
        token = await context.tokens.get(TOKEN, lambda: self._fetch_token(context))
        reply = await context.http.exchange(self._request(context, "GET", path, operation, token))
        if reply.status == 401:
            context.tokens.forget(TOKEN)
        return reply

    def _request(self, context: Context, method: str, path: str, operation: str, token: str) -> Request:
        return Request(
            method,
            f"{context.credentials.endpoint.rstrip('/')}/api/{path}",
            f"monnify.{operation}",
            {"Authorization": f"Bearer {token}", "Accept": "application/json", "Content-Type": "application/json"},
            safe=method == "GET",
            connect_timeout_s=POLICY.connect_timeout_s,
            read_timeout_s=POLICY.read_timeout_s,
            secrets=SECRETS,
        )

    async def _fetch_token(self, context: Context) -> tuple[str, datetime]:
        """An access token. Raises: Fault."""
        credentials = context.credentials
        login = f"{credentials.secret.get('api_key', '')}:{credentials.secret.get('secret_key', '')}"
        request = Request(
            "POST",
            f"{credentials.endpoint.rstrip('/')}/api/v1/auth/login",
            "monnify.token",
            {
                "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}",
                "Accept": "application/json",
                "Content-Type": "application/json",
            },
            b"{}",
            safe=True,
            secrets=SECRETS,
        )
        reply = await context.http.exchange(request)
        body = read_body(reply) or {}
        token, seconds = text(body.get("accessToken")), identifier(body.get("expiresIn"))
        if token is None:
            raise unreadable("an access token", reply)
        known = seconds is not None and seconds.isascii() and seconds.isdecimal() and len(seconds) < 8
        life = timedelta(seconds=int(seconds)) if known and seconds else TOKEN_LIFE
        return token, context.clock.now() + life


def _identity(context: Context) -> dict[str, str]:
    secret = context.credentials.secret
    return {name: secret[name] for name in ("bvn", "nin") if secret.get(name)}
