"""The rail: log-in, transfers, holders, balance."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_DNS, UUID, uuid5

from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.faults import Fault
from omniroute.sandbox.mtn_momo.scenarios import CURRENCIES, FAILS, HOLDERS, WAITS
from omniroute.sandbox.rail import Router, TestConnection, magic_digits
from omniroute.sandbox.transfers import Order, Reason, State, Transfer
from omniroute.sandbox.wallets import Tokens, basic, decimals, holder, is_wallet, minor_of, read_json, send
from omniroute.sandbox.wire import WireCall, WireReply
from omniroute.sandbox.world import World

SUBSCRIPTION_KEY = "sandbox-subscription-key"
API_KEY = "sandbox-api-key"
NOTE_MAX = 160
PRODUCTS = ("disbursement", "collection", "remittance")

_ACCESS_DENIED = send({"statusCode": 401, "message": "Access denied due to invalid subscription key."}, 401)
_UNAUTHORIZED = send({"statusCode": 401, "message": "Unauthorized. Access token is missing or invalid."}, 401)
_NO_ROUTE = send({"statusCode": 404, "message": "Resource not found"}, 404)
_PARTY = {
    "MSISDN": re.compile(r"[0-9]{6,15}"),
    "EMAIL": re.compile(r"[^@\s]+@[^@\s]+"),
    "PARTY_CODE": re.compile(r".+"),
}
_STATUS = {State.ACCEPTED: "PENDING", State.DECLINED: "FAILED"}
_REASON = {
    Reason.FUNDS: "NOT_ENOUGH_FUNDS",
    Reason.PAYEE_UNKNOWN: "PAYEE_NOT_FOUND",
    Reason.LIMIT: "PAYER_LIMIT_REACHED",
    Reason.REFUSED: "PAYEE_NOT_ALLOWED_TO_RECEIVE",
}


@dataclass(frozen=True, slots=True)
class User:
    """An API user. `callback_host`: the only host it may be called at, where it named one."""

    user_id: str
    environment: str
    api_key: str | None = None
    callback_host: str | None = None

    @property
    def account(self) -> str:
        """Its account at the rail: one for each environment."""
        return f"momo-{self.environment}"

    @property
    def currency(self) -> str:
        """The only currency its account carries."""
        return CURRENCIES[self.environment]


class MtnMomoSandbox:
    """MTN MoMo. `takes`: how long it works on an order; `fee_minor`: what it takes for each."""

    rail = "mtn_momo"

    def __init__(self, world: World, *, takes: timedelta = timedelta(0), fee_minor: int = 0) -> None:
        self.world = world
        self.takes = takes
        self.fee_minor = fee_minor
        self.tokens = Tokens(timedelta(seconds=3600))
        made = [User(str(uuid5(NAMESPACE_DNS, name)), name, API_KEY) for name in CURRENCIES]
        self._users = {user.user_id: user for user in made}
        self._own = made
        self._router = Router()
        self._router.add("POST", "/v1_0/apiuser", self._provision)
        self._router.add("GET", "/v1_0/apiuser/{user}", self._show_user)
        self._router.add("POST", "/v1_0/apiuser/{user}/apikey", self._give_key)
        for product in PRODUCTS:
            self._router.add("POST", f"/{product}/token/", self._log_in)
        for operation, version in (("transfer", "v1_0"), ("deposit", "v1_0"), ("deposit", "v2_0")):
            self._router.add("POST", f"/disbursement/{version}/{operation}", self._pay)
            self._router.add("GET", f"/disbursement/{version}/{operation}/{{reference}}", self._tell)
        self._router.add("GET", "/disbursement/v1_0/accountholder/{kind}/{number}/active", self._tell_active)
        self._router.add("GET", "/disbursement/v1_0/accountholder/{kind}/{number}/basicuserinfo", self._tell_holder)
        self._router.add("GET", "/disbursement/v1_0/account/balance", self._tell_balance)
        self._router.add("GET", "/disbursement/v1_0/account/balance/{currency}", self._tell_balance)

    def connections(self) -> list[TestConnection]:
        """One for each environment, the rail's own sandbox first."""
        return [
            TestConnection(
                self.rail, "", user.account, user.currency,
                {"target_environment": user.environment, "api_user": user.user_id},
                {"api_key": API_KEY, "subscription_key": SUBSCRIPTION_KEY},
            )
            for user in self._own
        ]  # fmt: skip

    async def handle(self, call: WireCall) -> WireReply:
        """Answer one call. Raises: Drop."""
        if call.headers.get("ocp-apim-subscription-key") != SUBSCRIPTION_KEY:
            return _ACCESS_DENIED
        return await self._router.dispatch(call, _NO_ROUTE)

    # -- users ------------------------------------------------------------------------------------------------

    async def _provision(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        reference, data = call.headers.get("x-reference-id", ""), read_json(call.body)
        if not _is_version_4(reference) or data is None or not isinstance(data.get("providerCallbackHost"), str):
            return WireReply(400)
        if reference in self._users:
            return error(409, "RESOURCE_ALREADY_EXIST", "Duplicated reference id. Creation of resource failed.")
        host = data["providerCallbackHost"]
        self._users[reference] = User(reference, "sandbox", None, urlsplit(host).hostname or host)
        return WireReply(201)

    async def _show_user(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        user = self._users.get(names["user"])
        if user is None:
            return error(404, "RESOURCE_NOT_FOUND", "Requested resource was not found.")
        return send({"providerCallbackHost": user.callback_host or "", "targetEnvironment": user.environment})

    async def _give_key(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        user = self._users.get(names["user"])
        if user is None:
            return error(404, "RESOURCE_NOT_FOUND", "Requested resource was not found.")
        key = UUID(user.user_id).hex
        self._users[user.user_id] = User(user.user_id, user.environment, key, user.callback_host)
        return send({"apiKey": key}, 201)

    async def _log_in(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        name, key = basic(call.headers.get("authorization", "")) or ("", "")
        user = self._users.get(name)
        if user is None or user.api_key is None or user.api_key != key:
            return send({"error": "login_failed"}, 401)
        token = self.tokens.give(name, self.world.clock.now())
        return send({"access_token": token, "token_type": "access_token", "expires_in": 3600})

    def _admit(self, call: WireCall) -> User | WireReply:
        """Who asks, in the environment that is theirs."""
        name = self.tokens.user_of(call.headers.get("authorization", ""), self.world.clock.now())
        if name is None:
            return _UNAUTHORIZED
        user = self._users[name]
        if call.headers.get("x-target-environment") != user.environment:
            return error(500, "NOT_ALLOWED_TARGET_ENVIRONMENT", "Access to target environment is forbidden.")
        return user

    # -- orders -----------------------------------------------------------------------------------------------

    async def _pay(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        user = self._admit(call)
        if isinstance(user, WireReply):
            return user
        reference, data = call.headers.get("x-reference-id", ""), read_json(call.body)
        if not _is_version_4(reference) or data is None or not _is_order(data):
            return error(400, "REQUEST_REJECTED", "The request does not follow the specification.")
        if data["currency"] != user.currency:
            return error(500, "INVALID_CURRENCY", "Currency not supported.")
        url = call.headers.get("x-callback-url")
        if url is not None and user.callback_host not in (None, urlsplit(url).hostname):
            return error(500, "INVALID_CALLBACK_URL_HOST", "Callback URL with different host name then configured.")
        amount_minor, payee = minor_of(data["amount"], user.currency), str(data["payee"]["partyId"])
        if amount_minor is None:
            return error(400, "REQUEST_REJECTED", "The amount is not one of this currency.")
        try:
            fault = self.world.plan.for_order(self.rail, reference, call.headers, magic_digits(payee))
        except ValueError as unknown:
            return error(400, "REQUEST_REJECTED", str(unknown))
        order = Order(self.rail, reference, user.account, payee, amount_minor, user.currency, self.fee_minor, data)

        async def effect() -> WireReply:
            if self.world.find(self.rail, reference) is not None:
                return error(409, "RESOURCE_ALREADY_EXIST", "Duplicated reference id. Creation of resource failed.")
            self._accept(order, fault, url)
            return WireReply(202)

        return await self.world.attempt(fault, effect, INTERNAL)

    def _accept(self, order: Order, fault: Fault, url: str | None) -> None:
        reason = Reason.REFUSED if order.payee in FAILS else None if is_wallet(order.payee) else Reason.PAYEE_UNKNOWN
        self.world.accept(
            order,
            fault,
            takes=WAITS.get(order.payee, self.takes),
            reason=reason,
            callback=lambda final: CallbackRequest(url, send(show(final)).body) if url is not None else None,
        )

    async def _tell(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        user, reference = self._admit(call), names["reference"]
        if isinstance(user, WireReply):
            return user

        async def effect() -> WireReply:
            found = self.world.find_visible(self.rail, reference)
            if found is None or found.order.account != user.account:
                return error(404, "RESOURCE_NOT_FOUND", "Requested resource was not found.")
            return send(show(found))

        return await self.world.answer(self.rail, reference, effect, INTERNAL)

    # -- holders and balance ----------------------------------------------------------------------------------

    async def _tell_active(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        user = self._admit(call)
        if isinstance(user, WireReply):
            return user
        number = names["number"]
        if names["kind"].lower() not in ("msisdn", "email", "party_code"):
            return WireReply(400)
        special = HOLDERS.get(number)
        if special is not None:
            return error(*special, "The outcome of this test number.")
        if not is_wallet(number):
            return error(404, "RESOURCE_NOT_FOUND", "Requested resource was not found.")
        return send({"result": number not in HOLDERS})

    async def _tell_holder(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        user = self._admit(call)
        if isinstance(user, WireReply):
            return user
        number = names["number"]
        if not is_wallet(number) or HOLDERS.get(number) is not None:
            return error(404, "RESOURCE_NOT_FOUND", "Requested resource was not found.")
        first, last = holder(number)
        names_told = {"sub": "0", "name": f"{first} {last}", "given_name": first, "family_name": last}
        return send({**names_told, "birthdate": "1990-01-01", "locale": "en", "gender": "FEMALE", "updated_at": 0})

    async def _tell_balance(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        user = self._admit(call)
        if isinstance(user, WireReply):
            return user
        if names.get("currency", user.currency) != user.currency:
            return error(500, "INVALID_CURRENCY", "Currency not supported.")
        await self.world.run_due()
        held = self.world.available(self.rail, user.account, user.currency)
        return send({"availableBalance": decimals(held, user.currency), "currency": user.currency})


def error(status: int, code: str, message: str) -> WireReply:
    """An error in the rail's form."""
    return send({"code": code, "message": message}, status)


INTERNAL = error(500, "INTERNAL_PROCESSING_ERROR", "An internal error occurred while processing.")


def show(transfer: Transfer) -> dict[str, Any]:
    """What became of an order, in the words of answers and calls. The rail has none for money given back."""
    order = transfer.order
    status = _STATUS.get(transfer.state, "SUCCESSFUL")
    told = {
        "amount": decimals(transfer.told_minor, order.currency),
        "currency": order.currency,
        "externalId": order.data["externalId"],
        "payee": order.data["payee"],
        "payerMessage": order.data.get("payerMessage", ""),
        "payeeNote": order.data.get("payeeNote", ""),
        "status": status,
    }
    if status == "SUCCESSFUL":
        told["financialTransactionId"] = str(int.from_bytes(transfer.rail_ref.encode()) % 10**10)
    if status == "FAILED":
        told["reason"] = FAILS.get(order.payee) if transfer.reason is Reason.REFUSED else None
        told["reason"] = told["reason"] or _REASON[transfer.reason or Reason.REFUSED]
    return told


def _is_version_4(reference: str) -> bool:
    try:
        return UUID(reference).version == 4 and str(UUID(reference)) == reference.lower()
    except ValueError:
        return False


def _is_order(data: Mapping[str, Any]) -> bool:
    """Whether the body is as the rail's pages say, among them no apostrophe in what people read."""
    payee = data.get("payee")
    if not isinstance(payee, dict) or not isinstance(data.get("externalId"), str):
        return False
    kind = _PARTY.get(str(payee.get("partyIdType")))
    notes = [data.get(name, "") for name in ("payerMessage", "payeeNote")]
    if any(not isinstance(note, str) or len(note) > NOTE_MAX or "'" in note for note in notes):
        return False
    written = isinstance(data.get("amount"), str) and isinstance(data.get("currency"), str)
    return written and kind is not None and kind.fullmatch(str(payee.get("partyId"))) is not None
