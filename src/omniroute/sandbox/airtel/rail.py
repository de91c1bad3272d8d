"""The rail: log-in, disbursements, holders, balance, and the portal's one setting we need."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from omniroute.sandbox.airtel.gate import is_signed, open_secret, public_key
from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.faults import Fault
from omniroute.sandbox.rail import Router, TestConnection, magic_digits
from omniroute.sandbox.transfers import Order, Reason, State, Transfer
from omniroute.sandbox.wallets import Tokens, decimals, holder, is_wallet, minor_of, read_json, send
from omniroute.sandbox.wire import WireCall, WireReply
from omniroute.sandbox.world import World

CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105 - worth nothing outside of the sandbox
PIN = "1234"
BARRED_DIGITS = "009"
"""A wallet whose number ends so is barred."""

COUNTRIES: Mapping[str, str] = {
    "CD": "CDF", "CG": "XAF", "GA": "XAF", "KE": "KES", "MG": "MGA", "MW": "MWK", "NE": "XOF", "NG": "NGN", "RW": "RWF",
    "SC": "SCR", "TD": "XAF", "TZ": "TZS", "UG": "UGX", "ZM": "ZMW",
}  # fmt: skip

_NUMBER = re.compile(r"[0-9]{7,10}")
_REFERENCE = re.compile(r"[A-Za-z0-9]{4,64}")
_ID = re.compile(r"[A-Za-z0-9-]{1,80}")
_STATES = {State.ACCEPTED: "TIP", State.DECLINED: "TF"}
_CODES = {
    Reason.FUNDS: ("DP00900001007", "Insufficient Funds"),
    Reason.PAYEE_UNKNOWN: ("DP00900001012", "Invalid Mobile Number"),
    Reason.LIMIT: ("DP00900001003", "Maximum transaction limit reached"),
    Reason.REFUSED: ("DP00900001010", "User not allowed"),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, for which country."""

    country: str
    currency: str

    @property
    def account(self) -> str:
        """Its account at the rail: one for each country."""
        return f"airtel-{self.country}"


class AirtelSandbox:
    """Airtel Money. `takes`: how long it works on an order; with nothing the answer to an order is final."""

    rail = "airtel"

    def __init__(
        self, world: World, *, takes: timedelta = timedelta(0), fee_minor: int = 0, pin_padding: str = "pkcs1v15"
    ) -> None:
        self.world = world
        self.takes = takes
        self.fee_minor = fee_minor
        self.pin_padding = pin_padding
        self.callback_url: str | None = None
        self.tokens = Tokens(timedelta(seconds=180))
        self._router = Router()
        self._router.add("POST", "/auth/oauth2/token", self._log_in)
        self._router.add("PUT", "/portal/callback", self._set_callback)
        self._router.add("GET", "/standard/v1/users/balance", self._tell_balance)
        self._router.add("GET", "/standard/v1/users/{number}", self._tell_holder)
        for version in ("v1", "v2", "v3"):
            self._router.add("POST", f"/standard/{version}/disbursements/", self._pay)
            self._router.add("GET", f"/standard/{version}/disbursements/{{reference}}", self._tell)

    def connections(self) -> list[TestConnection]:
        """One for each country."""
        return [
            TestConnection(
                self.rail, "", Caller(country, currency).account, currency,
                {
                    "country": country, "currency": currency, "client_id": CLIENT_ID, "pin_public_key": public_key(),
                    "pin_padding": self.pin_padding,
                },
                {"client_secret": CLIENT_SECRET, "pin": PIN}, "/portal/callback",
            )
            for country, currency in COUNTRIES.items()
        ]  # fmt: skip

    async def handle(self, call: WireCall) -> WireReply:
        """Answer one call. Raises: Drop."""
        return await self._router.dispatch(call, router_error(404, "ROUTER404", "No route found"))

    async def _log_in(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        data = read_json(call.body) or {}
        if (data.get("client_id"), data.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return send({"error": "invalid_client", "error_description": "Invalid client authentication"}, 400)
        if data.get("grant_type") != "client_credentials":
            return send({"error": "unsupported_grant_type"}, 400)
        token = self.tokens.give(CLIENT_ID, self.world.clock.now())
        return send({"access_token": token, "expires_in": "180", "token_type": "bearer"})

    async def _set_callback(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        url = (read_json(call.body) or {}).get("url")
        self.callback_url = url if isinstance(url, str) and url else None
        return send({"url": self.callback_url})

    def _admit(self, call: WireCall) -> Caller | WireReply:
        if self.tokens.user_of(call.headers.get("authorization", ""), self.world.clock.now()) is None:
            return send(
                {"error": "invalid_token", "error_description": "The access token is invalid or has expired"}, 403
            )
        country, currency = call.headers.get("x-country", ""), call.headers.get("x-currency", "")
        if country not in COUNTRIES:
            return router_error(400, "ROUTER006", "Invalid country code provided.")
        if COUNTRIES[country] != currency:
            return router_error(400, "ROUTER112", "Invalid currency provided.")
        return Caller(country, currency)

    # -- orders -----------------------------------------------------------------------------------------------

    async def _pay(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        caller = self._admit(call)
        if isinstance(caller, WireReply):
            return caller
        data = read_json(call.body) or {}
        refused = self._refuse(call, data)
        if refused is not None:
            return refused
        transaction, number = data["transaction"], data["payee"]["msisdn"]
        amount_minor = minor_of(transaction.get("amount"), caller.currency)
        if amount_minor is None:
            return answer("DP00900001004", "Invalid Amount")
        reference = transaction["id"]
        try:
            fault = self.world.plan.for_order(self.rail, reference, call.headers, magic_digits(number))
        except ValueError as unknown:
            return answer("DP00900001013", str(unknown))
        order = Order(
            self.rail, reference, caller.account, number, amount_minor, caller.currency, self.fee_minor,
            {"reference": data["reference"]},
        )  # fmt: skip

        async def effect() -> WireReply:
            if self.world.find(self.rail, reference) is not None:
                return answer("DP00900001017", "Duplicate Transaction Id")
            transfer = self._accept(order, fault)
            await self.world.run_due()
            if fault is Fault.LATE_SUCCESS:
                return answer("DP00900001000", "The transaction is in an ambiguous state")
            return show(transfer)

        return await self.world.attempt(fault, effect, INTERNAL)

    def _refuse(self, call: WireCall, data: dict[str, Any]) -> WireReply | None:
        """What is wrong with an order before anybody looks at its money."""
        payee, transaction = data.get("payee"), data.get("transaction")
        if not isinstance(payee, dict) or not isinstance(transaction, dict):
            return answer("DP00900001013", "Missing header/body params")
        if "x-signature" in call.headers and not is_signed(
            call.body, call.headers["x-signature"], call.headers.get("x-key", "")
        ):
            return answer("DP00900001016", "Forbidden")
        pin = open_secret(data.get("pin"), self.pin_padding)
        if pin is None or re.fullmatch(r"[0-9]{4}", pin) is None:
            return router_error(400, "ROUTER116", "The encrypted value of the pin is incorrect.")
        if pin != PIN:
            return router_error(400, "ROUTER115", "Pin you have entered is incorrect.")
        if _NUMBER.fullmatch(str(payee.get("msisdn"))) is None:
            return answer("DP00900001012", "Invalid Mobile Number")
        reference, ours = data.get("reference"), transaction.get("id")
        if not isinstance(reference, str) or _REFERENCE.fullmatch(reference) is None:
            return answer("DP00900001013", "Invalid reference")
        if not isinstance(ours, str) or _ID.fullmatch(ours) is None:
            return answer("DP00900001013", "Invalid transaction id")
        return None

    def _accept(self, order: Order, fault: Fault) -> Transfer:
        reason = None if is_wallet(order.payee) else Reason.PAYEE_UNKNOWN
        if order.payee.endswith(BARRED_DIGITS):
            reason = Reason.REFUSED
        return self.world.accept(order, fault, takes=self.takes, reason=reason, callback=self._call)

    def _call(self, transfer: Transfer) -> CallbackRequest | None:
        if self.callback_url is None:
            return None
        told = {
            "id": transfer.order.reference,
            "message": words(transfer),
            "status_code": _STATES.get(transfer.state, "TS"),
            "airtel_money_id": money_id(transfer),
        }
        return CallbackRequest(self.callback_url, send({"transaction": told}).body)

    async def _tell(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        caller, reference = self._admit(call), names["reference"]
        if isinstance(caller, WireReply):
            return caller

        async def effect() -> WireReply:
            found = self.world.find_visible(self.rail, reference)
            if found is None or found.order.account != caller.account:
                return answer("DP00900001015", "Transaction Not Found")
            return show(found, asked=True)

        return await self.world.answer(self.rail, reference, effect, INTERNAL)

    # -- holders and balance ----------------------------------------------------------------------------------

    async def _tell_holder(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        caller, number = self._admit(call), names["number"]
        if isinstance(caller, WireReply):
            return caller
        if _NUMBER.fullmatch(number) is None or not is_wallet(number):
            return answer("DP02200000000", "User enquiry is failed.")
        first, last = holder(f"{caller.country}{number}")
        told = {
            "first_name": first, "last_name": last, "grade": "SUBS", "is_barred": number.endswith(BARRED_DIGITS),
            "is_pin_set": True, "msisdn": number, "reg_status": "SUBS",
        }  # fmt: skip
        return answer("DP02200000001", "SUCCESS", told, success=True)

    async def _tell_balance(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        caller = self._admit(call)
        if isinstance(caller, WireReply):
            return caller
        await self.world.run_due()
        held = self.world.available(self.rail, caller.account, caller.currency)
        told = {"balance": decimals(held, caller.currency), "currency": caller.currency, "account_status": "Active"}
        return answer("DP02100000001", "SUCCESS", told, success=True)


def router_error(status: int, code: str, message: str) -> WireReply:
    """An error of the router, in a form of its own."""
    return send({"status_message": message, "status_code": code}, status)


def answer(code: str, message: str, data: Any = None, *, success: bool = False) -> WireReply:
    """An answer in the rail's envelope: HTTP 200 nearly always, also for a no."""
    status = {
        "response_code": code,
        "code": "200" if success else "400",
        "success": success,
        "result_code": "ESB000010" if success else "ESB000011",
        "message": message,
    }
    return send({"data": data or {}, "status": status})


INTERNAL = send(
    {"status": {"code": "500", "success": False, "result_code": "ESB000001", "message": "Something went wrong"}}, 500
)


def show(transfer: Transfer, *, asked: bool = False) -> WireReply:
    """An order in the rail's words; asked about, a failed one is told with success."""
    state = _STATES.get(transfer.state, "TS")
    told = {
        "reference_id": str(int.from_bytes(transfer.rail_ref.encode()) % 10**12),
        "airtel_money_id": money_id(transfer),
        "id": transfer.order.reference,
        "status": state,
    }
    if asked:
        told["message"] = words(transfer)
    if state == "TIP":
        return answer("DP00900001006", "Transaction is in process.", {"transaction": told}, success=True)
    if state == "TF":
        code, message = _CODES[transfer.reason or Reason.REFUSED]
        return answer(code, message, {"transaction": told}, success=asked)
    return answer("DP00900001001", words(transfer), {"transaction": told}, success=True)


def words(transfer: Transfer) -> str:
    """What the rail writes to people: here alone it tells the amount."""
    order = transfer.order
    if transfer.state is State.DECLINED:
        return _CODES[transfer.reason or Reason.REFUSED][1]
    written = decimals(transfer.told_minor, order.currency)
    return f"You have sent {order.currency} {written} to {order.payee}. TID: {transfer.rail_ref}"


def money_id(transfer: Transfer) -> str:
    """The rail's own id of an order."""
    return f"disbursement-{transfer.rail_ref}-{transfer.order.reference}"
