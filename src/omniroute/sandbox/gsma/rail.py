"""The operator: transactions, request states, responses, reversals, accounts, heartbeat."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.faults import Fault
from omniroute.sandbox.gsma.messages import (
    INTERNAL,
    NOT_FOUND,
    entry,
    error,
    failure,
    reversal,
    server_id,
    state_object,
    transaction,
)
from omniroute.sandbox.rail import Router, TestConnection, magic_digits
from omniroute.sandbox.transfers import Order, Reason, State, Transfer
from omniroute.sandbox.wallets import Tokens, basic, decimals, holder, is_wallet, minor_of, read_json, send
from omniroute.sandbox.wire import WireCall, WireReply
from omniroute.sandbox.world import World

BASE = "/v1.2/mm"
API_KEY = "sandbox-api-key"
CONSUMER_KEY = "sandbox-consumer-key"
CONSUMER_SECRET = "sandbox-consumer-secret"  # noqa: S105 - worth nothing outside of the sandbox
CURRENCIES = ("EUR", "GHS", "KES", "NGN", "RWF", "TND", "TZS", "UGX", "USD", "XAF", "XOF", "ZMW")
TYPES = ("billpay", "deposit", "disbursement", "transfer", "merchantpay", "inttransfer", "withdrawal")
PAGE_LINES_MAX = 1_000

_AMOUNT = re.compile(r"([0]|([1-9][0-9]{0,17}))([.][0-9]{0,3}[0-9])?")
_KEPT = ("requestingOrganisationTransactionReference", "descriptionText", "customData", "creditParty")


class GsmaSandbox:
    """An operator. `takes`: how long it works on an order; `synchronous`: it answers with the transaction itself."""

    rail = "gsma"

    def __init__(
        self, world: World, *, takes: timedelta = timedelta(0), fee_minor: int = 0, synchronous: bool = False
    ) -> None:
        self.world = world
        self.takes = takes
        self.fee_minor = fee_minor
        self.synchronous = synchronous
        self.heartbeat: dict[str, Any] = {"serviceStatus": "available"}
        self.tokens = Tokens(timedelta(seconds=3600))
        self._by_server_id: dict[str, str] = {}  # To our reference.
        self._by_rail_ref: dict[str, str] = {}
        self._reversals: dict[str, dict[str, Any]] = {}  # By the caller's id of the request.
        self._router = Router()
        for method, pattern, route in (
            ("POST", "/transactions", self._pay),
            ("POST", "/transactions/type/{type}", self._pay),
            ("GET", "/transactions/{reference}", self._tell_transaction),
            ("POST", "/transactions/{reference}/reversals", self._reverse),
            ("GET", "/requeststates/{id}", self._tell_state),
            ("GET", "/responses/{reference}", self._tell_response),
            ("GET", "/accounts/{kind}/{number}/status", self._tell_status),
            ("GET", "/accounts/{kind}/{number}/accountname", self._tell_name),
            ("GET", "/accounts/{kind}/{number}/balance", self._tell_balance),
            ("GET", "/accounts/{kind}/{number}/statemententries", self._tell_statement),
            ("GET", "/heartbeat", self._beat),
        ):
            self._router.add(method, BASE + pattern, route)

    def connections(self) -> list[TestConnection]:
        """One account for each currency."""
        return [
            TestConnection(
                self.rail, BASE, account_of(currency), currency,
                {"account_type": "organisationid", "account": account_of(currency), "client_id": "sandbox"},
                {"api_key": API_KEY},
            )
            for currency in CURRENCIES
        ]  # fmt: skip

    async def handle(self, call: WireCall) -> WireReply:
        """Answer one call. Raises: Drop."""
        if (call.method, call.path) == ("POST", "/oauth/token"):
            return self._log_in(call)
        bearer = call.headers.get("authorization")
        now = self.world.clock.now()
        if call.headers.get("x-api-key") != API_KEY and (not bearer or self.tokens.user_of(bearer, now) is None):
            return error("authorisation", "clientAuthorisationError")
        return await self._router.dispatch(call, send({"error": "no route"}, 404))

    def _log_in(self, call: WireCall) -> WireReply:
        if basic(call.headers.get("authorization", "")) != (CONSUMER_KEY, CONSUMER_SECRET):
            return send({"error": "invalid_client"}, 401)
        token = self.tokens.give(CONSUMER_KEY, self.world.clock.now())
        return send({"access_token": token, "token_type": "bearer", "expires_in": "3600"})

    # -- orders -----------------------------------------------------------------------------------------------

    async def _pay(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        data = read_json(call.body) or {}
        refused = _refuse(call, data, names.get("type", data.get("type")))
        if refused is not None:
            return refused
        reference, currency = call.headers["x-correlationid"], data["currency"]
        amount_minor = minor_of(data["amount"], currency)
        account = next((one["value"] for one in data["debitParty"] if one["key"] == "organisationid"), "")
        if account != account_of(currency):
            return error("identification", "identifierError", "The debit party is not known in this currency")
        if amount_minor is None:
            return error("validation", "formatError", "The amount is not one of this currency")
        payee = _payee(data["creditParty"])
        try:
            fault = self.world.plan.for_order(self.rail, reference, call.headers, magic_digits(payee))
        except ValueError as unknown:
            return error("validation", "formatError", str(unknown))
        url = call.headers.get("x-callback-url")
        kept = {name: data[name] for name in _KEPT if name in data}
        kept |= {"type": names.get("type", data.get("type")), "method": "callback" if url else "polling"}
        order = Order(self.rail, reference, account, payee, amount_minor, currency, self.fee_minor, kept)

        async def effect() -> WireReply:
            if self.world.find(self.rail, reference) is not None or reference in self._reversals:
                return error("businessRule", "duplicateRequest")
            transfer = self._accept(order, fault, url)
            if not self.synchronous or fault is Fault.LATE_SUCCESS:
                return send(state_object(transfer), 202)
            await self.world.run_due()
            if transfer.state is State.DECLINED:
                told = failure(transfer)
                return error(told["errorCategory"], told["errorCode"])
            return send(transaction(transfer), 201)

        return await self.world.attempt(fault, effect, INTERNAL)

    def _accept(self, order: Order, fault: Fault, url: str | None) -> Transfer:
        def call(final: Transfer) -> CallbackRequest | None:
            if url is None:
                return None
            told = failure(final) if final.state is State.DECLINED else transaction(final)
            headers = {"content-type": "application/json", "x-date": self.world.clock.now().isoformat()}
            return CallbackRequest(url, send(told).body, "PUT", headers)

        reason = None if is_wallet(order.payee) else Reason.PAYEE_UNKNOWN
        transfer = self.world.accept(order, fault, takes=self.takes, reason=reason, callback=call)
        self._by_server_id[server_id(order.reference)] = order.reference
        self._by_rail_ref[transfer.rail_ref] = order.reference
        return transfer

    async def _reverse(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        reference, request = call.headers.get("x-correlationid", ""), read_json(call.body) or {}
        transfer = self.world.find(self.rail, self._by_rail_ref.get(names["reference"], ""))
        if not _is_uuid(reference) or request.get("type") != "reversal":
            return error("validation", "mandatoryValueNotSupplied")
        if transfer is None:
            return NOT_FOUND
        fault = self.world.plan.for_order(self.rail, reference, call.headers)

        async def effect() -> WireReply:
            if reference in self._reversals or self.world.find(self.rail, reference) is not None:
                return error("businessRule", "duplicateRequest")
            if fault is Fault.DECLINED:
                return error("businessRule", "requestDeclined")
            if not await self.world.reverse(transfer):
                return error("businessRule", "incorrectState", "Only a paid transaction can be reversed")
            self._reversals[reference] = reversal(transfer, request)
            return send(self._reversals[reference], 201)

        return await self.world.attempt(fault, effect, INTERNAL)

    # -- questions about orders -------------------------------------------------------------------------------

    async def _tell_transaction(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        made = next(
            (one for one in self._reversals.values() if one["transactionReference"] == names["reference"]), None
        )
        if made is not None:
            return send(made)
        reference = self._by_rail_ref.get(names["reference"], "")

        async def effect() -> WireReply:
            found = self.world.find_visible(self.rail, reference)
            return NOT_FOUND if found is None else send(transaction(found))

        return await self.world.answer(self.rail, reference, effect, INTERNAL)

    async def _tell_state(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        reference = self._by_server_id.get(names["id"].lower(), "")

        async def effect() -> WireReply:
            found = self.world.find(self.rail, reference)
            return NOT_FOUND if found is None else send(state_object(found))

        return await self.world.answer(self.rail, reference, effect, INTERNAL)

    async def _tell_response(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        reference = names["reference"].lower()

        async def effect() -> WireReply:
            if reference in self._reversals:
                return send({"link": f"/transactions/{self._reversals[reference]['transactionReference']}"})
            found = self.world.find_visible(self.rail, reference)
            if found is None:
                return NOT_FOUND
            done = found.state in (State.SUCCEEDED, State.REVERSED)
            return send(
                {"link": f"/transactions/{found.rail_ref}" if done else f"/requeststates/{server_id(reference)}"}
            )

        return await self.world.answer(self.rail, reference, effect, INTERNAL)

    # -- accounts ---------------------------------------------------------------------------------------------

    async def _tell_status(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        return send({"accountStatus": "available"}) if is_wallet(names["number"]) else NOT_FOUND

    async def _tell_name(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        if not is_wallet(names["number"]):
            return NOT_FOUND
        first, last = holder(names["number"].removeprefix("+"))
        return send({"name": {"firstName": first, "lastName": last, "fullName": f"{first} {last}"}})

    async def _tell_balance(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        currency = _currency_of(names)
        if currency is None:
            return NOT_FOUND
        await self.world.run_due()
        held = self.world.balance(self.rail, names["number"], currency)
        available = self.world.available(self.rail, names["number"], currency)
        return send(
            {
                "accountStatus": "available",
                "currentBalance": decimals(held, currency),
                "availableBalance": decimals(available, currency),
                "reservedBalance": decimals(held - available, currency),
                "currency": currency,
            }
        )

    async def _tell_statement(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        currency = _currency_of(names)
        if currency is None:
            return NOT_FOUND
        await self.world.run_due()
        try:
            limit, offset = (int(call.query.get(name, value)) for name, value in (("limit", "50"), ("offset", "0")))
            start = _instant(call.query.get("fromDateTime"), datetime.min.replace(tzinfo=UTC))
            end = _instant(call.query.get("toDateTime"), datetime.max.replace(tzinfo=UTC))
        except ValueError:
            return error("validation", "formatError")
        if offset < 0 or not 0 < limit <= PAGE_LINES_MAX:
            return error("validation", "invalidOffset")
        lines = [
            (movement, transfer)
            for movement in self.world.statement(self.rail, names["number"], start, end)
            if (transfer := self.world.find(self.rail, movement.reference)) is not None
        ]
        page = [entry(movement, transfer) for movement, transfer in lines[offset : offset + limit]]
        counts = {"x-records-available-count": str(len(lines)), "x-records-returned-count": str(len(page))}
        return send(page, 200, counts)

    async def _beat(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        return send(self.heartbeat)


def account_of(currency: str) -> str:
    """Our account in this currency."""
    return f"omniroute-{currency.lower()}"


def _currency_of(names: Mapping[str, str]) -> str | None:
    """The currency of an account that may be asked for balance and statement."""
    if names["kind"] != "organisationid":
        return None
    return next((currency for currency in CURRENCIES if account_of(currency) == names["number"]), None)


def _refuse(call: WireCall, data: dict[str, Any], kind: object) -> WireReply | None:
    """What is wrong with the form of an order."""
    hashed = call.headers.get("x-content-hash")
    if hashed is not None and hashed.lower() != sha256(call.body).hexdigest():
        return error("validation", "formatError", "X-Content-Hash does not fit the body")
    if not _is_uuid(call.headers.get("x-correlationid", "")):
        return error("validation", "mandatoryValueNotSupplied", "X-CorrelationID")
    if kind not in TYPES:
        return error("businessRule", "transactionTypeError")
    if not isinstance(data.get("amount"), str) or _AMOUNT.fullmatch(data["amount"]) is None:
        return error("validation", "formatError", "amount")
    if data.get("currency") not in CURRENCIES:
        return error("validation", "currencyNotSupported")
    for side in ("debitParty", "creditParty"):
        parties = data.get(side)
        if not isinstance(parties, list) or not parties or not all(_is_party(one) for one in parties):
            return error("validation", "mandatoryValueNotSupplied", side)
    return None


def _is_party(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(name), str) and value[name] for name in ("key", "value")
    )


def _payee(parties: list[dict[str, str]]) -> str:
    found = next((one["value"] for one in parties if one["key"] == "msisdn"), parties[0]["value"])
    return found.removeprefix("+")


def _is_uuid(reference: str) -> bool:
    try:
        return str(UUID(reference)) == reference.lower()
    except ValueError:
        return False


def _instant(written: str | None, otherwise: datetime) -> datetime:
    """Raises: ValueError."""
    found = datetime.fromisoformat(written.replace(" ", "+")) if written else otherwise
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
