"""The side of Daraja on which customers pay: prompts on their phones (STK), paybill payments (C2B), the pull list."""

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.faults import Fault
from omniroute.sandbox.mpesa import messages
from omniroute.sandbox.mpesa.gate import INTERNAL, Fields, error, invalid, send
from omniroute.sandbox.wire import WireCall, WireReply
from omniroute.sandbox.world import LATE, World

RAIL = "mpesa"
PASSKEY = "sandbox-passkey"
ANSWERS_AFTER = timedelta(milliseconds=200)
SAME_AGAIN = timedelta(minutes=2)
PULLED_FOR = timedelta(hours=48)
PULLED_AT_ONCE = 100

OUTCOMES: Mapping[str, tuple[int, str]] = {
    "001": (1, "The balance is insufficient for the transaction."),
    "019": (1019, "Transaction has expired."),
    "032": (1032, "Request cancelled by user."),
    "037": (1037, "DS timeout user cannot be reached."),
    "201": (2001, "The initiator information is invalid."),
}
"""What a customer does, by the last three digits of the number; any other number pays."""


@dataclass(slots=True)
class Prompt:
    """A request on a customer's phone."""

    checkout_id: str
    merchant_id: str
    phone: str
    shillings: int
    bill: str
    asked_at: datetime
    url: str
    result: tuple[int, str] | None = None


@dataclass(slots=True)
class Received:
    """A payment of a customer's."""

    receipt: str
    at: datetime
    phone: str
    shillings: int
    bill: str
    command: str
    given_back: bool = False


class Till:
    """What customers paid to one shortcode."""

    def __init__(self, world: World, shortcode: str) -> None:
        self.world = world
        self.shortcode = shortcode
        self.passkey = PASSKEY
        self.received: list[Received] = []
        self._prompts: dict[str, Prompt] = {}
        self._addresses: dict[str, str] = {}
        self._full_numbers = False
        self._pulls = False
        self.routes: Mapping[str, Callable[[WireCall, Fields], Awaitable[WireReply]]] = {
            "/mpesa/stkpush/v1/processrequest": self._prompt,
            "/mpesa/stkpushquery/v1/query": self._tell_prompt,
            "/mpesa/c2b/v1/registerurl": self._register,
            "/mpesa/c2b/v2/registerurl": self._register,
            "/mpesa/c2b/v1/simulate": self._simulate,
            "/mpesa/c2b/v2/simulate": self._simulate,
            "/pulltransactions/v1/register": self._register_pull,
            "/pulltransactions/v1/query": self._pull,
        }

    # -- prompts ----------------------------------------------------------------------------------------------

    async def _prompt(self, call: WireCall, fields: Fields) -> WireReply:
        if not self._knows(fields):
            return error(500, "500.001.1001", "Wrong credentials")
        fields.one_of("TransactionType", "CustomerPayBillOnline", "CustomerBuyGoodsOnline")
        shillings, phone = fields.shillings(), fields.digits("PhoneNumber", 12, 12)
        fields.digits("PartyA", 12, 12)
        fields.digits("PartyB", 5, 9)
        bill, url = fields.text("AccountReference", 1, 12), fields.address("CallBackURL")
        fields.text("TransactionDesc", 1, 182)
        now = self.world.clock.now()
        number = len(self._prompts) + 1
        checkout_id = f"ws_CO_{messages.local(now)}{number:06d}{phone[3:]}"
        digest = blake2b(checkout_id.encode(), digest_size=8).hexdigest()
        prompt = Prompt(checkout_id, f"{digest[:4]}-{digest[4:8]}-{number}", phone, shillings, bill, now, url)
        fault = self.world.plan.for_order(RAIL, checkout_id, call.headers)

        async def show() -> WireReply:
            again = any(
                one.phone == phone and one.shillings == shillings and now - one.asked_at < SAME_AGAIN
                for one in self._prompts.values()
            )
            self._prompts[checkout_id] = prompt
            late = LATE if fault is Fault.LATE_SUCCESS else timedelta(0)
            self.world.at(now + ANSWERS_AFTER + late, lambda: self._answer(prompt, fault, again))
            taken = {
                "MerchantRequestID": prompt.merchant_id,
                "CheckoutRequestID": checkout_id,
                "ResponseCode": "0",
                "ResponseDescription": "Success. Request accepted for processing",
                "CustomerMessage": "Success. Request accepted for processing",
            }
            return send(taken)

        return await self.world.attempt(fault, show, INTERNAL)

    def _knows(self, fields: Fields) -> bool:
        stamp = fields.digits("Timestamp", 14, 14)
        shortcode = fields.digits("BusinessShortCode", 5, 9)
        expected = base64.b64encode(f"{shortcode}{self.passkey}{stamp}".encode()).decode()
        return shortcode == self.shortcode and fields.text("Password", 1, 200) == expected

    async def _answer(self, prompt: Prompt, fault: Fault, again: bool) -> None:
        prompt.result = (17, "Rule limited.") if again else OUTCOMES.get(prompt.phone[-3:], (0, messages.TEXTS["0"]))
        code, text = prompt.result
        body: dict[str, Any] = {
            "MerchantRequestID": prompt.merchant_id,
            "CheckoutRequestID": prompt.checkout_id,
            "ResultCode": code,
            "ResultDesc": text,
        }
        if code == 0:
            received = self.receive(prompt.phone, prompt.shillings, prompt.bill, "Pay Bill")
            told = prompt.shillings + (1 if fault is Fault.WRONG_AMOUNT else 0)
            items = [
                {"Name": "Amount", "Value": told},
                {"Name": "MpesaReceiptNumber", "Value": received.receipt},
                {"Name": "Balance"},
                {"Name": "TransactionDate", "Value": int(messages.local(received.at))},
                {"Name": "PhoneNumber", "Value": int(prompt.phone)},
            ]
            body["CallbackMetadata"] = {"Item": items}
        request = CallbackRequest(prompt.url, messages.encode({"Body": {"stkCallback": body}}))
        if fault is not Fault.LOST_CALLBACK:
            await self.world.call(request)
        if fault is Fault.DUPLICATE_CALLBACK:
            await self.world.call(request)

    async def _tell_prompt(self, _: WireCall, fields: Fields) -> WireReply:
        if not self._knows(fields):
            return error(500, "500.001.1001", "Wrong credentials")
        await self.world.run_due()
        prompt = self._prompts.get(fields.text("CheckoutRequestID"))
        if prompt is None:
            raise invalid("CheckoutRequestID")
        if prompt.result is None:
            return error(500, "500.001.1001", "The transaction is being processed")
        code, text = prompt.result
        told = {
            "ResponseCode": "0",
            "ResponseDescription": "The service request has been accepted successsfully",
            "MerchantRequestID": prompt.merchant_id,
            "CheckoutRequestID": prompt.checkout_id,
            "ResultCode": str(code),
            "ResultDesc": text,
        }
        return send(told)

    # -- payments ---------------------------------------------------------------------------------------------

    def receive(self, phone: str, shillings: int, bill: str, command: str) -> Received:
        """A customer pays."""
        receipt = World.make_ref(RAIL, f"received:{len(self.received)}")
        received = Received(receipt, self.world.clock.now(), phone, shillings, bill, command)
        self.received.append(received)
        self._add(shillings * 100)
        return received

    def give_back(self, receipt: str, amount_minor: int, receiver: str) -> str | None:
        """M-Pesa's code for a reversal of what a customer paid; None when no customer did."""
        received = next((one for one in self.received if one.receipt == receipt), None)
        if received is None:
            return None
        if received.given_back:
            return "R000001"
        if amount_minor != received.shillings * 100 or receiver != self.shortcode:
            return "R000002"
        received.given_back = True
        self._add(-amount_minor)
        return "0"

    def _add(self, amount_minor: int) -> None:
        held = self.world.balance(RAIL, self.shortcode, "KES")
        self.world.fund(RAIL, self.shortcode, "KES", held + amount_minor)

    async def _register(self, call: WireCall, fields: Fields) -> WireReply:
        fields.digits("ShortCode", 5, 9)
        fields.one_of("ResponseType", "Completed", "Cancelled")
        self._addresses = {name: fields.address(name) for name in ("ConfirmationURL", "ValidationURL")}
        self._full_numbers = "/v1/" in call.path
        return _registered("success")

    async def _simulate(self, _: WireCall, fields: Fields) -> WireReply:
        """A customer pays a paybill by hand. Exists in sandboxes only; nobody is asked for validation."""
        fields.digits("ShortCode", 5, 9)
        command = fields.one_of("CommandID", "CustomerPayBillOnline", "CustomerBuyGoodsOnline")
        shillings, phone = fields.shillings(), fields.digits("Msisdn", 12, 12)
        bill = fields.text("BillRefNumber", 1, 20) if fields.has("BillRefNumber") else ""
        what = "Pay Bill" if command == "CustomerPayBillOnline" else "Buy Goods"
        received = self.receive(phone, shillings, bill, what)
        url = self._addresses.get("ConfirmationURL")
        if url is not None:
            request = CallbackRequest(url, messages.encode(self._confirmation(received)))
            self.world.at(self.world.clock.now(), lambda: self.world.call(request))
        return _registered("Accept the service request successfully.")

    def _confirmation(self, received: Received) -> dict[str, str]:
        phone = received.phone
        return {
            "TransactionType": received.command,
            "TransID": received.receipt,
            "TransTime": messages.local(received.at),
            "TransAmount": messages.decimals(received.shillings * 100),
            "BusinessShortCode": self.shortcode,
            "BillRefNumber": received.bill,
            "InvoiceNumber": "",
            "OrgAccountBalance": messages.decimals(self.world.balance(RAIL, self.shortcode, "KES")),
            "ThirdPartyTransID": "",
            "MSISDN": phone if self._full_numbers else f"{phone[:4]}*****{phone[-3:]}",
            "FirstName": messages.person(phone).split()[2],
            "MiddleName": "",
            "LastName": "",
        }

    # -- the pull list ----------------------------------------------------------------------------------------

    async def _register_pull(self, _: WireCall, fields: Fields) -> WireReply:
        fields.one_of("RequestType", "Pull")
        fields.text("NominatedNumber", 9, 12)
        fields.address("CallBackURL")
        known, self._pulls = self._pulls, True
        body = {
            "ResponseRefID": "feb5e3f2-fbc4-745a-844c-ee37b546f627",
            "ResponseStatus": "1001" if known else "1000",
            "ShortCode": fields.digits("ShortCode", 5, 9),
            "ResponseDescription": "ShortCode already Registered" if known else "Shortcode Registered Successfully",
        }
        return send(body)

    async def _pull(self, _: WireCall, fields: Fields) -> WireReply:
        if not self._pulls:
            return error(400, "400.001", "Invalid ShortCode")
        start, end = _moment(fields, "StartDate"), _moment(fields, "EndDate")
        offset = int(fields.digits("OffSetValue", 1, 9))
        start = max(start, self.world.clock.now() - PULLED_FOR)
        rows = [one for one in self.received if start <= one.at <= end][offset : offset + PULLED_AT_ONCE]
        told = [
            {
                "transactionId": one.receipt,
                "trxDate": one.at.astimezone(messages.NAIROBI).isoformat(),
                "msisdn": int(one.phone),
                "sender": "MPESA",
                "transactiontype": "c2b-pay-bill-debit" if one.command == "Pay Bill" else "c2b-buy-goods-debit",
                "billreference": one.bill,
                "amount": messages.decimals(one.shillings * 100),
                "organizationname": "Sandbox",
            }
            for one in rows
        ]
        body = {
            "ResponseRefID": "1c5b-4ba8-815c-ac45c57a3db01469899",
            "ResponseCode": "1000" if told else "1001",
            "ResponseMessage": "Success" if told else "Transactions not found",
            "Response": [told],
        }
        return send(body)


def _registered(text: str) -> WireReply:
    body = {"OriginatorCoversationID": "7619-37765134-1", "ResponseCode": "0", "ResponseDescription": text}
    return send(body)  # Their spelling.


def _moment(fields: Fields, name: str) -> datetime:
    text = fields.text(name, 16, 23)
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=messages.NAIROBI)
        except ValueError:
            continue
    raise invalid(name)
