"""The connector of Airtel Money.

Credentials: public `country`, `currency`, `client_id`, `pin_public_key` and, where they differ from the first value,
`pin_padding` (`pkcs1v15`, `oaep_sha1`, `oaep_sha256`), `disbursements` (`v1`, `v2`) and `message_signing` (`off`,
`on`); secret `client_secret` and `pin`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from importlib.resources import files
from uuid import UUID

import msgspec

from omniroute.connectors.airtel.pin import encrypt_pin, sign_message
from omniroute.connectors.airtel.wire import (
    COUNTRIES,
    disbursement_body,
    error_code,
    national,
    read_call,
    read_query,
    read_submit,
)
from omniroute.connectors.replies import amount, part, read_object, read_token, send_order, text, token_for_order
from omniroute.infra.http import Reply, Request
from omniroute.ports.rails import (
    Ack,
    Balance,
    Callback,
    Capabilities,
    CodeTable,
    Context,
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

TOKEN = "airtel"  # noqa: S105 - its name in the cache.
SECRETS = frozenset({"authorization", "client_secret", "pin", "x-signature", "x-key", "access_token"})
TOKEN_LIFE = timedelta(seconds=180)
HOLDER_FOUND, BALANCE_FOUND = "DP02200000001", "DP02100000001"
HOLDER_UNKNOWN = frozenset({"DP02200000000", "DP02100000002"})

CAPABILITIES = Capabilities(
    frozenset({Operation.PAYOUT, Operation.QUERY, Operation.NAME_ENQUIRY, Operation.BALANCE}),
    frozenset(currency for _, currency in COUNTRIES.values()),
    frozenset(COUNTRIES),
    frozenset({PartyKind.MSISDN}),
    frozenset({"airtel"}),
)
POLICY = RailPolicy(
    query_after=tuple(timedelta(seconds=wait) for wait in (30, 60, 120, 240, *[300] * 11, 3600)),
    query_for=timedelta(days=3, hours=2),
    not_found_times=6,
    not_found_after=timedelta(days=3),
)

_CODES = files(__package__).joinpath("codes.json").read_bytes()


class Airtel:
    """Pays out to wallets; asks about orders, holders and the balance."""

    rail = "airtel"

    def __init__(self) -> None:
        query = CodeTable.parse(_CODES, "query")
        self._codes = {"submit": CodeTable.parse(_CODES, "submit"), "query": query, "callback": query}

    def capabilities(self) -> Capabilities:
        """Payouts, questions, name and balance; no statement and no reversal of a payout over the API."""
        return CAPABILITIES

    def policy(self) -> RailPolicy:
        """Nobody promises that a repeated reference is refused for ever, so nothing is sent twice; and an order the
        rail does not find counts as missing only after three days."""
        return POLICY

    def codes(self) -> Mapping[str, CodeTable]:
        """What the rail's codes mean when we send, when we ask and when it calls."""
        return self._codes

    def check(self, payout: Payout) -> None:
        """Refuse what the rail cannot carry. Raises: RailUnable."""
        if payout.payee.kind is not PartyKind.MSISDN:
            raise RailUnable("Airtel Money pays to mobile numbers only", kind=payout.payee.kind.value)
        country, _ = national(payout.payee.identifier)
        if COUNTRIES[country][1] != payout.amount.currency:
            raise RailUnable(
                "a number of this country is paid in its own currency",
                country=country, currency=payout.amount.currency, expected=COUNTRIES[country][1],
            )  # fmt: skip
        if payout.amount.amount_minor <= 0:
            raise RailUnable("the amount must be more than nothing", amount_minor=payout.amount.amount_minor)

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str:
        """32 hexadecimal digits made from the attempt's id: the rail wants letters and digits only."""
        return sha256(f"omniroute:airtel:{attempt_id}".encode()).hexdigest()[:32]

    async def submit(self, context: Context, payout: Payout) -> Result:
        """Send the order once. Raises: NotSent."""
        public, secret = context.credentials.public, context.credentials.secret
        try:
            country, number = national(payout.payee.identifier)
        except RailUnable as unable:
            raise NotSent(unable.detail) from unable
        if (country, payout.amount.currency) != (public.get("country"), public.get("currency")):
            raise NotSent("the connection is for another country or currency than the payee's")
        key, version = public.get("pin_public_key", ""), public.get("disbursements", "v1")
        pin = encrypt_pin(secret.get("pin", ""), key, public.get("pin_padding", "pkcs1v15"))
        body = disbursement_body(payout, number, pin, version)
        token = await token_for_order(context, TOKEN, lambda: self._fetch_token(context))
        request = self._request(context, "POST", f"standard/{version}/disbursements/", "disbursement", token)
        headers = {**request.headers, "Content-Type": "application/json"}
        if public.get("message_signing") == "on":
            headers |= sign_message(body, key)
        reply = await send_order(context, replace(request, headers=headers, body=body, submit=True))
        self._forget_refused(context, reply)
        return read_submit(reply, self._codes["submit"], payout.our_ref)

    async def query(self, context: Context, payout: Payout, provider_ref: str | None) -> Result:
        """What became of the order of this reference. Raises: Fault."""
        reply = await self._ask(context, f"standard/v1/disbursements/{payout.our_ref}", "enquiry")
        return read_query(reply, self._codes["query"], payout.our_ref)

    async def resolve_party(self, context: Context, party: Party, *, our_ref: str) -> Holder:
        """Whose wallet this is, and whether it is barred. Raises: RailUnable when nobody has this number; Fault."""
        if party.kind is not PartyKind.MSISDN:
            raise RailUnable("Airtel Money knows holders by mobile number only")
        country, number = national(party.identifier)
        if country != context.credentials.public.get("country"):
            raise RailUnable("the connection is for another country than this number", country=country)
        reply = await self._ask(context, f"standard/v1/users/{number}", "user")
        data = read_object(reply.body) or {}
        code = error_code(data)
        if code in HOLDER_UNKNOWN and reply.status < 500:
            raise RailUnable("no Airtel Money account has this number", code=code)
        user = part(data, "data")
        if reply.status != 200 or code != HOLDER_FOUND or not isinstance(user.get("is_barred"), bool):
            raise RailAnswerUnreadable(f"the rail did not tell who holds the account ({code or reply.status})")
        names = [text(user.get("first_name")), text(user.get("last_name"))]
        name = " ".join(found for found in names if found) or None
        return Holder(party, name, not user["is_barred"], kyc_level=text(user.get("grade")))

    async def fetch_balances(self, context: Context) -> Sequence[Balance]:
        """What our account holds. Raises: Fault."""
        reply = await self._ask(context, "standard/v1/users/balance", "balance")
        data = read_object(reply.body) or {}
        held = part(data, "data")
        balance = amount(held.get("balance"), held.get("currency"))
        if reply.status != 200 or error_code(data) != BALANCE_FOUND or balance is None:
            raise RailAnswerUnreadable(f"the rail did not tell the balance ({error_code(data) or reply.status})")
        return [Balance("available", balance, context.clock.now())]

    def read_callback(self, context: Context, callback: Callback) -> Sequence[RailEvent]:
        """What a call says: always a hint. Its address is set in the rail's portal and cannot carry a code of ours.

        Raises: RailAnswerUnreadable.
        """
        data = read_object(callback.body)
        if data is None or not part(data, "transaction"):
            raise RailAnswerUnreadable("the call tells of no transaction")
        result = read_call(data, self._codes["callback"])
        told = (result.our_ref, result.answer.code, result.provider_ref)
        key = sha256(repr(told).encode()).hexdigest()[:32]
        return [RailEvent(key, EventKind.PAYOUT_RESULT, Trust.HINT, result)]

    def acknowledge(self, callback: Callback) -> Ack:
        """The rail wants 200 and reads nothing."""
        return Ack()

    async def reverse(self, context: Context, payout: Payout, provider_ref: str, our_ref: str) -> Result:
        """Not on this rail. Raises: RailUnable."""
        raise RailUnable("Airtel Money gives collections back, not payouts")

    async def fetch_statement(self, context: Context, day: date, cursor: str | None) -> StatementPage:
        """Not on this rail. Raises: RailUnable."""
        raise RailUnable("Airtel Money has no statement over its API; take it from the merchant portal")

    async def list_institutions(self, context: Context) -> Sequence[Institution]:
        """Not on this rail. Raises: RailUnable."""
        raise RailUnable("Airtel Money pays to its own wallets only")

    # -- the wire ---------------------------------------------------------------------------------------------

    async def _ask(self, context: Context, path: str, operation: str) -> Reply:
        """A question; asking twice changes nothing. A token that is refused is fetched anew by the next one."""
        token = await context.tokens.get(TOKEN, lambda: self._fetch_token(context))
        reply = await context.http.exchange(self._request(context, "GET", path, operation, token))
        self._forget_refused(context, reply)
        return reply

    @staticmethod
    def _forget_refused(context: Context, reply: Reply) -> None:
        if reply.status == 401 or error_code(read_object(reply.body) or {}) == "invalid_token":
            context.tokens.forget(TOKEN)

    def _request(self, context: Context, method: str, path: str, operation: str, token: str) -> Request:
        public = context.credentials.public
        return Request(
            method,
            f"{context.credentials.endpoint.rstrip('/')}/{path}",
            f"airtel.{operation}",
            {
                "Authorization": f"Bearer {token}",
                "X-Country": public.get("country", ""),
                "X-Currency": public.get("currency", ""),
                "Accept": "*/*",
            },
            safe=method == "GET",
            connect_timeout_s=POLICY.connect_timeout_s,
            read_timeout_s=POLICY.read_timeout_s,
            secrets=SECRETS,
        )

    async def _fetch_token(self, context: Context) -> tuple[str, datetime]:
        """A token by client credentials. Raises: Fault."""
        login = {
            "client_id": context.credentials.public.get("client_id", ""),
            "client_secret": context.credentials.secret.get("client_secret", ""),
            "grant_type": "client_credentials",
        }
        request = Request(
            "POST",
            f"{context.credentials.endpoint.rstrip('/')}/auth/oauth2/token",
            "airtel.token",
            {"Content-Type": "application/json", "Accept": "*/*"},
            msgspec.json.encode(login),
            safe=True,
            secrets=SECRETS,
        )
        return read_token(await context.http.exchange(request), context.clock.now(), TOKEN_LIFE)
