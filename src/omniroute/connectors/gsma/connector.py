"""The connector of the GSMA Mobile Money API 1.2.

Credentials: public `account` and `account_type` (our account: `organisationid`, `accountid`, `walletid`...), and where
the operator wants them `transaction_type` (else `disbursement`), `client_id`, `token_url`; secret `api_key`, or
`consumer_key` and `consumer_secret` for a token from `token_url`.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from omniroute.connectors.gsma.wire import (
    CURRENCIES,
    MAJOR_DIGITS_MAX,
    PARTY_KEYS,
    Heartbeat,
    is_missing,
    read_heartbeat,
    read_line,
    read_link,
    read_name,
    read_refusal,
    read_state,
    read_submit,
    read_transaction,
    reversal_body,
    transaction_body,
)
from omniroute.connectors.replies import (
    amount,
    amount_text,
    read_list,
    read_object,
    read_token,
    send_order,
    text,
    token_for_order,
)
from omniroute.infra.http import Reply, Request
from omniroute.ports.rails import (
    Ack,
    Answer,
    Balance,
    Callback,
    Capabilities,
    CodeTable,
    Context,
    EventKind,
    Holder,
    Institution,
    Operation,
    Outcome,
    Party,
    PartyKind,
    Payout,
    RailAnswerUnreadable,
    RailEvent,
    RailPolicy,
    RailUnable,
    Result,
    StatementLine,
    StatementPage,
    Trust,
)

TOKEN = "gsma"  # noqa: S105 - its name in the cache.
SECRETS = frozenset({"authorization", "x-api-key", "x-callback-url", "access_token"})
"""Who reads the addresses where we are called could call in the rail's place."""
TOKEN_LIFE = timedelta(minutes=5)
PAGE_LINES = 200
BALANCES = ("currentBalance", "availableBalance", "reservedBalance", "unclearedBalance")

CAPABILITIES = Capabilities(
    frozenset(
        {
            Operation.PAYOUT,
            Operation.QUERY,
            Operation.NAME_ENQUIRY,
            Operation.BALANCE,
            Operation.STATEMENT,
            Operation.REVERSAL,
        }
    ),
    CURRENCIES,
    frozenset(),
    frozenset(PARTY_KEYS),
)
POLICY = RailPolicy(
    query_after=tuple(timedelta(seconds=wait) for wait in (5, 10, 20, 40, 80, 160, 300, *[900] * 94, 3600)),
    query_for=timedelta(days=3, hours=2),
    not_found_times=5,
    not_found_after=timedelta(days=3),
    reversible=True,
)

_CODES = files(__package__).joinpath("codes.json").read_bytes()


class Gsma:
    """Pays out, asks, looks up accounts, reads statements, reverses."""

    rail = "gsma"

    def __init__(self) -> None:
        query = CodeTable.parse(_CODES, "query")
        self._codes = {"submit": CodeTable.parse(_CODES, "submit"), "query": query, "callback": query}

    def capabilities(self) -> Capabilities:
        """All the API has for a payer. Countries are the operator's own, so none is named here."""
        return CAPABILITIES

    def policy(self) -> RailPolicy:
        """Operators differ in what they do with a repeated request, so nothing is sent twice; and that nothing was made
        with our id is our reading of a 404, so it counts after three days only."""
        return POLICY

    def codes(self) -> Mapping[str, CodeTable]:
        """What the API's codes and states mean when we send, when we ask and when it calls."""
        return self._codes

    def check(self, payout: Payout) -> None:
        """Refuse what the API cannot carry. Raises: RailUnable."""
        if payout.payee.kind not in PARTY_KEYS:
            raise RailUnable("the rail pays to mobile numbers and wallets only", kind=payout.payee.kind.value)
        _check_identifier(payout.payee)
        if payout.amount.currency not in CURRENCIES:
            raise RailUnable("the rail does not carry this currency", currency=payout.amount.currency)
        if payout.amount.amount_minor <= 0:
            raise RailUnable("the amount must be more than nothing", amount_minor=payout.amount.amount_minor)
        if len(amount_text(payout.amount).partition(".")[0]) > MAJOR_DIGITS_MAX:
            raise RailUnable("the amount has more digits than the rail carries")

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str:
        """A UUID, the only form the API takes, made from the attempt's id."""
        digest = sha256(f"omniroute:gsma:{attempt_id}".encode()).digest()
        return str(UUID(bytes=digest[:16], version=4))

    async def submit(self, context: Context, payout: Payout) -> Result:
        """Send the order once. Raises: NotSent."""
        public = context.credentials.public
        kind = public.get("transaction_type", "disbursement")
        body = transaction_body(payout, *_our_account(context), payout.created_at)
        path = f"transactions/type/{quote(kind, safe='')}"
        status, data = await self._order(context, path, "transaction", payout.our_ref, body, "payout")
        return read_submit(status, data, self._codes["submit"], self._codes["query"])

    async def query(self, context: Context, payout: Payout, provider_ref: str | None) -> Result:
        """What became of an order: by the operator's reference, else by ours through `/responses`. Raises: Fault."""
        if provider_ref is None:
            return await self._query_by_ours(context, payout)
        if _is_uuid(provider_ref):
            reply, data = await self._ask(context, f"requeststates/{provider_ref}", "request_state")
            if reply.status == 200:
                return await self._follow(context, payout, data)
            if not is_missing(reply.status, data):
                return _undecided(reply.status, data)
        return await self._transaction(context, provider_ref)

    async def reverse(self, context: Context, payout: Payout, provider_ref: str, our_ref: str) -> Result:
        """Ask for a paid order back, whole. Raises: NotSent."""
        body = reversal_body(payout, our_ref, context.clock.now())
        path = f"transactions/{quote(provider_ref, safe='')}/reversals"
        status, data = await self._order(context, path, "reversal", our_ref, body, "reversal")
        if status != 201:
            return read_submit(status, data, self._codes["submit"], self._codes["query"])
        state = text(data.get("transactionStatus"))
        table = {
            Outcome.SUCCEEDED: Outcome.REVERSED,
            Outcome.PENDING: Outcome.PENDING,
            Outcome.DECLINED: Outcome.DECLINED,
        }
        outcome = table.get(self._codes["query"].find(state).outcome, Outcome.UNKNOWN)
        return Result(outcome, Answer(state), provider_ref=text(data.get("transactionReference")), our_ref=our_ref)

    async def resolve_party(self, context: Context, party: Party, *, our_ref: str) -> Holder:
        """Whose account this is, and whether it takes money. Raises: RailUnable when there is none; Fault."""
        if party.kind not in PARTY_KEYS:
            raise RailUnable("the rail knows holders by mobile number and wallet only", kind=party.kind.value)
        _check_identifier(party)
        plus = "+" if party.kind is PartyKind.MSISDN else ""
        path = f"accounts/{PARTY_KEYS[party.kind]}/{quote(plus + party.identifier, safe='')}"
        reply, data = await self._ask(context, f"{path}/status", "account_status")
        if is_missing(reply.status, data):
            raise RailUnable("no account has this number")
        status = text(data.get("accountStatus"))
        if reply.status != 200 or status not in ("available", "unavailable", "unregistered"):
            raise RailAnswerUnreadable(f"the rail did not tell the state of the account (HTTP {reply.status})")
        reply, data = await self._ask(context, f"{path}/accountname", "account_name")
        return Holder(party, read_name(data) if reply.status == 200 else None, status == "available")

    async def fetch_balances(self, context: Context) -> Sequence[Balance]:
        """What our account holds, in every way the operator counts it. Raises: Fault."""
        reply, data = await self._ask(context, f"{_account_path(context)}/balance", "balance")
        read = {kind: amount(data[kind], data.get("currency")) for kind in BALANCES if data.get(kind) is not None}
        found = [
            Balance(kind.removesuffix("Balance"), held, context.clock.now())
            for kind, held in read.items() if held is not None
        ]  # fmt: skip
        if reply.status != 200 or not found or len(found) != len(read):
            raise RailAnswerUnreadable(f"the rail did not tell the balance (HTTP {reply.status})")
        return found

    async def fetch_statement(self, context: Context, day: date, cursor: str | None) -> StatementPage:
        """What was booked on our account that day, in UTC. Raises: Fault, also when a single line cannot be read."""
        offset = int(cursor or "0")
        start = datetime.combine(day, time.min, UTC)
        end = start + timedelta(days=1)
        query = {
            "limit": PAGE_LINES, "offset": offset,
            "fromDateTime": start.isoformat(), "toDateTime": end.isoformat(),
        }  # fmt: skip
        path = f"{_account_path(context)}/statemententries?{urlencode(query)}"
        reply, _ = await self._ask(context, path, "statement")
        entries = read_list(reply.body)
        if reply.status != 200 or entries is None:
            raise RailAnswerUnreadable(f"the rail did not tell the statement (HTTP {reply.status})")
        lines: list[StatementLine] = []
        for entry in entries:
            line = read_line(entry, *_our_account(context))
            if line is None:
                raise RailAnswerUnreadable("the rail's statement has a line that cannot be read")
            state = self._codes["query"].find(text(entry.get("transactionStatus"))).outcome
            if state in (Outcome.SUCCEEDED, Outcome.REVERSED) and start <= line.booked_at < end:
                lines.append(line)
        available = reply.headers.get("x-records-available-count", "")
        reached = offset + len(entries)
        more = reached < int(available) if available.isdecimal() else len(entries) == PAGE_LINES
        return StatementPage(tuple(lines), str(reached) if more and entries else None)

    async def heartbeat(self, context: Context) -> Heartbeat:
        """What the operator says of its own service. Raises: Fault."""
        reply, data = await self._ask(context, "heartbeat", "heartbeat")
        found = read_heartbeat(data) if reply.status == 200 else None
        if found is None:
            raise RailAnswerUnreadable(f"the rail did not tell its state (HTTP {reply.status})")
        return found

    async def list_institutions(self, context: Context) -> Sequence[Institution]:
        """Not on this rail. Raises: RailUnable."""
        raise RailUnable("the rail pays to accounts of its own operator only")

    def read_callback(self, context: Context, callback: Callback) -> Sequence[RailEvent]:
        """What a call says: a transaction, or why there is none. Unsigned: a hint, or nothing at another address.

        Raises: RailAnswerUnreadable.
        """
        data = read_object(callback.body)
        if not data:
            raise RailAnswerUnreadable("the call holds no JSON object")
        if "errorCode" in data:  # An error names no order; the address does.
            result = replace(read_refusal(400, data, self._codes["callback"]), our_ref=callback.ref or None)
        else:
            result = read_transaction(data, self._codes["callback"])
        told = (callback.purpose, callback.ref, result.our_ref, result.outcome, result.answer.code, result.provider_ref)
        kind = EventKind.PAYOUT_RESULT if callback.purpose == "payout" else EventKind.OTHER
        trust = Trust.HINT if callback.authentic else Trust.REJECTED
        return [RailEvent(sha256(repr(told).encode()).hexdigest()[:32], kind, trust, result)]

    def acknowledge(self, callback: Callback) -> Ack:
        """The API wants 204."""
        return Ack(204)

    # -- the wire ---------------------------------------------------------------------------------------------

    async def _query_by_ours(self, context: Context, payout: Payout) -> Result:
        reply, data = await self._ask(context, f"responses/{payout.our_ref}", "response")
        if is_missing(reply.status, data):
            return replace(_undecided(reply.status, data), outcome=Outcome.NOT_FOUND)
        found = read_link(data) if reply.status == 200 else None
        if found is None:
            return _undecided(reply.status, data)
        kind, reference = found
        if kind == "transactions":
            return await self._transaction(context, reference)
        reply, data = await self._ask(context, f"requeststates/{quote(reference, safe='')}", "request_state")
        if reply.status != 200:
            return _undecided(reply.status, data)
        return await self._follow(context, payout, data, linked=True)

    async def _follow(self, context: Context, payout: Payout, data: dict[str, Any], *, linked: bool = False) -> Result:
        """From a request to its transaction, once there is one."""
        if text(data.get("status")) != "completed":
            return read_state(data, self._codes["query"])
        reference = text(data.get("objectReference"))
        if reference is not None:
            return await self._transaction(context, reference)
        return read_state(data, self._codes["query"]) if linked else await self._query_by_ours(context, payout)

    async def _transaction(self, context: Context, reference: str) -> Result:
        """A transaction the operator named before: if it is gone now, nothing is known."""
        reply, data = await self._ask(context, f"transactions/{quote(reference, safe='')}", "transaction_status")
        return read_transaction(data, self._codes["query"]) if reply.status == 200 else _undecided(reply.status, data)

    async def _ask(self, context: Context, path: str, operation: str) -> tuple[Reply, dict[str, Any]]:
        """A question; asking twice changes nothing."""
        headers = await self._headers(context, for_order=False)
        reply = await context.http.exchange(self._request(context, "GET", path, operation, headers))
        if reply.status == 401:
            context.tokens.forget(TOKEN)
        return reply, read_object(reply.body) or {}

    async def _order(
        self, context: Context, path: str, operation: str, our_ref: str, body: bytes, purpose: str
    ) -> tuple[int, dict[str, Any]]:
        headers = {
            **await self._headers(context, for_order=True),
            "X-CorrelationID": our_ref,
            "X-Callback-URL": context.callback_url(purpose, our_ref),
            "X-Content-Hash": sha256(body).hexdigest(),
            "Content-Type": "application/json",
        }
        request = self._request(context, "POST", path, operation, headers)
        reply = await send_order(context, replace(request, body=body, submit=True))
        if reply.status == 401:
            context.tokens.forget(TOKEN)
        return reply.status, read_object(reply.body) or {}

    async def _headers(self, context: Context, *, for_order: bool) -> dict[str, str]:
        public, secret = context.credentials.public, context.credentials.secret
        headers = {"X-Date": context.clock.now().isoformat(), "Accept": "application/json"}
        if "client_id" in public:
            headers["X-Client-Id"] = public["client_id"]
        if "api_key" in secret:
            headers["X-API-Key"] = secret["api_key"]
        if "token_url" in public:

            async def fetch() -> tuple[str, datetime]:
                return await self._fetch_token(context)

            token = await (token_for_order(context, TOKEN, fetch) if for_order else context.tokens.get(TOKEN, fetch))
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _request(self, context: Context, method: str, path: str, operation: str, headers: Mapping[str, str]) -> Request:
        return Request(
            method,
            f"{context.credentials.endpoint.rstrip('/')}/{path}",
            f"gsma.{operation}",
            headers,
            safe=method == "GET",
            connect_timeout_s=POLICY.connect_timeout_s,
            read_timeout_s=POLICY.read_timeout_s,
            secrets=SECRETS,
        )

    async def _fetch_token(self, context: Context) -> tuple[str, datetime]:
        """A token by client credentials. Raises: Fault."""
        secret = context.credentials.secret
        login = f"{secret.get('consumer_key', '')}:{secret.get('consumer_secret', '')}"
        request = Request(
            "POST",
            context.credentials.public["token_url"],
            "gsma.token",
            {
                "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            b"grant_type=client_credentials",
            safe=True,
            secrets=SECRETS,
        )
        return read_token(await context.http.exchange(request), context.clock.now(), TOKEN_LIFE)


def _our_account(context: Context) -> tuple[str, str]:
    public = context.credentials.public
    return public.get("account_type", "organisationid"), public.get("account", "")


def _account_path(context: Context) -> str:
    kind, account = _our_account(context)
    return f"accounts/{quote(kind, safe='')}/{quote(account, safe='')}"


def _check_identifier(party: Party) -> None:
    """Raises: RailUnable."""
    number = party.identifier
    if party.kind is PartyKind.MSISDN and not (number.isascii() and number.isdecimal() and 8 <= len(number) <= 15):
        raise RailUnable("a mobile number has 8 to 15 digits and begins with its country code")
    if not 0 < len(number) <= 255:
        raise RailUnable("a wallet has a name of 1 to 255 characters")


def _is_uuid(reference: str) -> bool:
    try:
        return str(UUID(reference)) == reference.lower()
    except ValueError:
        return False


def _undecided(status: int, data: Mapping[str, Any]) -> Result:
    """An answer to a question that decides nothing."""
    code = text(data.get("errorCode")) or f"HTTP_{status}"
    return Result(Outcome.UNKNOWN, Answer(code[:64], None, {"http_status": status}))
