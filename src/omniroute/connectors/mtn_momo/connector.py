"""The connector of MTN MoMo.

Credentials: public `target_environment`, `api_user` and, where calls go to one host only, `callback_host`; secret
`api_key` and `subscription_key`, both of the disbursement product.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from importlib.resources import files
from urllib.parse import urlsplit
from uuid import UUID

from omniroute.connectors.mtn_momo.wire import (
    ENVIRONMENTS,
    error_word,
    read_active,
    read_name,
    read_query,
    read_submit,
    read_transfer,
    transfer_body,
)
from omniroute.connectors.replies import amount, read_object, read_token, send_order, token_for_order
from omniroute.infra.http import Reply, Request
from omniroute.ports.rails import (
    Ack,
    Balance,
    Callback,
    Capabilities,
    CodeTable,
    Context,
    Duplicates,
    EventKind,
    Holder,
    Institution,
    NotSent,
    Operation,
    Party,
    PartyKind,
    Payout,
    RailAnswerUnreadable,
    RailEvent,
    RailPolicy,
    RailUnable,
    Result,
    StatementPage,
    Trust,
)

TOKEN = "disbursement"  # noqa: S105 - its name in the cache; every product has its own.
SECRETS = frozenset({"authorization", "ocp-apim-subscription-key", "x-callback-url", "access_token"})
"""Who reads the addresses where we are called could call in the rail's place."""
TOKEN_LIFE = timedelta(minutes=5)
"""Of a token that does not say how long it lives."""

CAPABILITIES = Capabilities(
    frozenset({Operation.PAYOUT, Operation.QUERY, Operation.NAME_ENQUIRY, Operation.BALANCE}),
    frozenset(currency for _, currency in ENVIRONMENTS.values()),
    frozenset(country for country, _ in ENVIRONMENTS.values() if country),
    frozenset({PartyKind.MSISDN}),
    frozenset({"mtn"}),
)
POLICY = RailPolicy(
    query_after=tuple(timedelta(seconds=wait) for wait in (5, 10, 20, 40, 80, 160, 300, *[900] * 94, 3600)),
    query_for=timedelta(days=3, hours=2),
    not_found_times=5,
    not_found_after=timedelta(days=3),
    duplicates=Duplicates.REJECTS,
)

_CODES = files(__package__).joinpath("codes.json").read_bytes()
_MSISDN = re.compile(r"[1-9][0-9]{7,14}")


class MtnMomo:
    """Pays out from a disbursement account; asks about orders, holders and the balance."""

    rail = "mtn_momo"

    def __init__(self) -> None:
        query = CodeTable.parse(_CODES, "query")
        self._codes = {"submit": CodeTable.parse(_CODES, "submit"), "query": query, "callback": query}

    def capabilities(self) -> Capabilities:
        """Payouts, questions, name and balance; no statement and no reversal over the API."""
        return CAPABILITIES

    def policy(self) -> RailPolicy:
        """Calls come once or never, so we ask soon and often. The rail says that what it does not find was never
        registered; as an order may still be held up on its way, we believe it after three days."""
        return POLICY

    def codes(self) -> Mapping[str, CodeTable]:
        """What the rail's words mean when we send, when we ask and when it calls."""
        return self._codes

    def check(self, payout: Payout) -> None:
        """Refuse what the rail cannot carry. Raises: RailUnable."""
        if payout.payee.kind is not PartyKind.MSISDN:
            raise RailUnable("MTN MoMo pays to mobile numbers only", kind=payout.payee.kind.value)
        if _MSISDN.fullmatch(payout.payee.identifier) is None:
            raise RailUnable("a mobile number has 8 to 15 digits and begins with its country code")
        if payout.amount.currency not in CAPABILITIES.currencies:
            raise RailUnable("MTN MoMo does not carry this currency", currency=payout.amount.currency)
        if payout.amount.amount_minor <= 0:
            raise RailUnable("the amount must be more than nothing", amount_minor=payout.amount.amount_minor)

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str:
        """A UUID in the form of version 4, the only form the rail takes, made from the attempt's id."""
        digest = sha256(f"omniroute:mtn_momo:{attempt_id}".encode()).digest()
        return str(UUID(bytes=digest[:16], version=4))

    async def submit(self, context: Context, payout: Payout) -> Result:
        """Send the order once. Raises: NotSent."""
        environment = context.credentials.public.get("target_environment", "")
        if ENVIRONMENTS.get(environment, ("", ""))[1] != payout.amount.currency:
            raise NotSent(f"{environment or 'the target environment'} does not carry {payout.amount.currency}")
        token = await token_for_order(context, TOKEN, lambda: self._fetch_token(context))
        headers = {"X-Reference-Id": payout.our_ref, "Content-Type": "application/json"}
        callback_url = context.callback_url("payout", payout.our_ref)
        if context.credentials.public.get("callback_host") in (None, urlsplit(callback_url).hostname):
            headers["X-Callback-Url"] = callback_url  # Another host would make the rail fail the order.
        request = self._request(context, "POST", "v1_0/transfer", "transfer", token, headers)
        reply = await send_order(context, replace(request, body=transfer_body(payout), submit=True))
        if reply.status == 401:
            context.tokens.forget(TOKEN)
        return read_submit(reply, self._codes["submit"])

    async def query(self, context: Context, payout: Payout, provider_ref: str | None) -> Result:
        """What became of the order of this reference. Raises: Fault."""
        reply = await self._ask(context, f"v1_0/transfer/{payout.our_ref}", "transfer_status")
        return read_query(reply, self._codes["query"])

    async def resolve_party(self, context: Context, party: Party, *, our_ref: str) -> Holder:
        """Whether the number has an active wallet, and its holder's name where the country tells it.

        Raises: RailUnable when nobody has this number; Fault.
        """
        if party.kind is not PartyKind.MSISDN or _MSISDN.fullmatch(party.identifier) is None:
            raise RailUnable("MTN MoMo knows holders by mobile number only")
        path = f"v1_0/accountholder/msisdn/{party.identifier}"
        reply = await self._ask(context, f"{path}/active", "account_holder")
        data = read_object(reply.body) or {}
        if reply.status == 404 and error_word(data) == "RESOURCE_NOT_FOUND":
            raise RailUnable("no mobile money account has this number")
        active = read_active(data) if reply.status == 200 else None
        if active is None:
            raise RailAnswerUnreadable(f"the rail did not tell whether the account is active (HTTP {reply.status})")
        named = await self._ask(context, f"{path}/basicuserinfo", "basic_user_info")
        name = read_name(read_object(named.body) or {}) if named.status == 200 else None
        return Holder(party, name, active)

    async def fetch_balances(self, context: Context) -> Sequence[Balance]:
        """What the disbursement account holds. Raises: Fault."""
        reply = await self._ask(context, "v1_0/account/balance", "balance")
        data = read_object(reply.body) or {}
        available = amount(data.get("availableBalance"), data.get("currency"))
        if reply.status != 200 or available is None:
            raise RailAnswerUnreadable(f"the rail did not tell the balance (HTTP {reply.status})")
        return [Balance("available", available, context.clock.now())]

    def read_callback(self, context: Context, callback: Callback) -> Sequence[RailEvent]:
        """What a call says. It is unsigned: at an address only the rail knows it is a hint, elsewhere nothing.

        Raises: RailAnswerUnreadable.
        """
        data = read_object(callback.body)
        if data is None:
            raise RailAnswerUnreadable("the call holds no JSON object")
        result = read_transfer(data, self._codes["callback"])
        told = (callback.ref, result.our_ref, result.outcome, result.answer.code, result.provider_ref)
        key = sha256(repr(told).encode()).hexdigest()[:32]
        trust = Trust.HINT if callback.authentic else Trust.REJECTED
        return [RailEvent(key, EventKind.PAYOUT_RESULT, trust, result)]

    def acknowledge(self, callback: Callback) -> Ack:
        """The rail wants 200 and reads nothing."""
        return Ack()

    async def reverse(self, context: Context, payout: Payout, provider_ref: str, our_ref: str) -> Result:
        """Not on this rail. Raises: RailUnable."""
        raise RailUnable("MTN MoMo cannot take a transfer back")

    async def fetch_statement(self, context: Context, day: date, cursor: str | None) -> StatementPage:
        """Not on this rail. Raises: RailUnable."""
        raise RailUnable("MTN MoMo has no statement over its API; take it from the partner portal")

    async def list_institutions(self, context: Context) -> Sequence[Institution]:
        """Not on this rail. Raises: RailUnable."""
        raise RailUnable("MTN MoMo pays to its own wallets only")

    # -- the wire ---------------------------------------------------------------------------------------------

    async def _ask(self, context: Context, path: str, operation: str) -> Reply:
        """A question; asking twice changes nothing. A token that is refused is fetched anew by the next one."""
        token = await context.tokens.get(TOKEN, lambda: self._fetch_token(context))
        reply = await context.http.exchange(self._request(context, "GET", path, operation, token))
        if reply.status == 401:
            context.tokens.forget(TOKEN)
        return reply

    def _request(
        self,
        context: Context,
        method: str,
        path: str,
        operation: str,
        token: str,
        headers: Mapping[str, str] | None = None,
    ) -> Request:
        credentials = context.credentials
        return Request(
            method,
            f"{credentials.endpoint.rstrip('/')}/disbursement/{path}",
            f"mtn_momo.{operation}",
            {
                "Authorization": f"Bearer {token}",
                "Ocp-Apim-Subscription-Key": credentials.secret.get("subscription_key", ""),
                "X-Target-Environment": credentials.public.get("target_environment", ""),
                "Accept": "application/json",
                **(headers or {}),
            },
            safe=method == "GET",
            connect_timeout_s=POLICY.connect_timeout_s,
            read_timeout_s=POLICY.read_timeout_s,
            secrets=SECRETS,
        )

    async def _fetch_token(self, context: Context) -> tuple[str, datetime]:
        """A token of the disbursement product. Raises: Fault."""
        credentials = context.credentials
        login = f"{credentials.public.get('api_user', '')}:{credentials.secret.get('api_key', '')}"
        request = Request(
            "POST",
            f"{credentials.endpoint.rstrip('/')}/disbursement/token/",
            "mtn_momo.token",
            {
                "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}",
                "Ocp-Apim-Subscription-Key": credentials.secret.get("subscription_key", ""),
                "Accept": "application/json",
            },
            safe=True,
            secrets=SECRETS,
        )
        return read_token(await context.http.exchange(request), context.clock.now(), TOKEN_LIFE)
