"""The payouts side of Daraja, and what belongs to every side: log-in, addresses, faults."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.faults import Fault
from omniroute.sandbox.mpesa import messages
from omniroute.sandbox.mpesa.credential import CERTIFICATE, open_credential
from omniroute.sandbox.mpesa.gate import INTERNAL, Fields, Refused, Tokens, error, invalid
from omniroute.sandbox.mpesa.till import Till
from omniroute.sandbox.rail import Router, TestConnection, magic_digits
from omniroute.sandbox.transfers import Order, Reason, State, Transfer
from omniroute.sandbox.wire import WireCall, WireReply
from omniroute.sandbox.world import World

SHORTCODE = "600992"
INITIATOR = "testapi"
CONSUMER_KEY = "sandbox-consumer-key"
CONSUMER_SECRET = "sandbox-consumer-secret"  # noqa: S105 - worth nothing outside of the sandbox
INITIATOR_PASSWORD = "Sandbox#Initiator1"  # noqa: S105
UNKNOWN_DIGITS = "000"
"""A wallet whose number ends so does not exist."""

WALLET_MIN_MINOR = 10_00
AMOUNT_MAX_MINOR = 250_000_00
SOON = timedelta(milliseconds=1)

_WALLET_COMMANDS = ("SalaryPayment", "BusinessPayment", "PromotionPayment")
_BUSINESS_COMMANDS = ("BusinessPayBill", "BusinessBuyGoods", "MerchantToMerchantTransfer")

Handle = Callable[[WireCall, Fields], Awaitable[WireReply]]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the caller wants to hear what became of a request, and that nobody knows."""

    result: str
    timed_out: str


class MpesaSandbox:
    """Daraja. `takes`: how long M-Pesa works on an order; `charge_minor`: what it takes for each."""

    rail = "mpesa"

    def __init__(self, world: World, *, takes: timedelta = timedelta(milliseconds=200), charge_minor: int = 0) -> None:
        self.world = world
        self.takes = takes
        self.charge_minor = charge_minor
        self.tokens = Tokens(CONSUMER_KEY, CONSUMER_SECRET)
        self._receipts: dict[str, str] = {}  # Receipt to reference.
        self._repeats: dict[str, int] = {}
        self._charges_minor = 0
        self._asked = 0
        self._router = Router()
        self._router.add("GET", "/oauth/v1/generate", self._log_in)
        for version in ("v1", "v3"):
            self._add(f"/mpesa/b2c/{version}/paymentrequest", self._pay_wallet)
        self._add("/mpesa/b2b/v1/paymentrequest", self._pay_business)
        self._add("/mpesa/transactionstatus/v1/query", self._tell_status)
        self._add("/mpesa/accountbalance/v1/query", self._tell_balance)
        self._add("/mpesa/reversal/v1/request", self._reverse)
        self.till = Till(self.world, SHORTCODE)
        for path, handle in self.till.routes.items():
            self._add(path, handle)

    def connections(self) -> list[TestConnection]:
        """One shortcode that pays wallets, tills and paybills, and is paid."""
        public = {"shortcode": SHORTCODE, "initiator_name": INITIATOR, "certificate": CERTIFICATE}
        secret = {
            "consumer_key": CONSUMER_KEY,
            "consumer_secret": CONSUMER_SECRET,
            "initiator_password": INITIATOR_PASSWORD,
            "passkey": self.till.passkey,
        }
        return [TestConnection(self.rail, "", SHORTCODE, "KES", public, secret)]

    async def handle(self, call: WireCall) -> WireReply:
        """Answer one call. Raises: Drop."""
        return await self._router.dispatch(call, error(404, "404.002.01", "Resource not found"))

    def _add(self, path: str, handle: Handle) -> None:
        async def route(call: WireCall, _: Mapping[str, str]) -> WireReply:
            try:
                self.tokens.check(call, self.world.clock.now())
                return await handle(call, Fields(call))
            except Refused as refused:
                return refused.reply

        self._router.add("POST", path, route)

    async def _log_in(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        return self.tokens.give(call, self.world.clock.now())

    # -- orders -----------------------------------------------------------------------------------------------

    async def _pay_wallet(self, call: WireCall, fields: Fields) -> WireReply:
        reference = fields.text("OriginatorConversationID", 1, 64)
        initiator = fields.text("InitiatorName")
        command = fields.one_of("CommandID", *_WALLET_COMMANDS)
        shillings, payer = fields.shillings(), fields.digits("PartyA", 5, 9)
        payee = fields.digits("PartyB", 12, 12)
        if not payee.startswith("254"):
            raise invalid("PartyB")
        fields.text("Remarks", 2, 100)
        reason, code = _limits(shillings * 100, WALLET_MIN_MINOR)
        if payee.endswith(UNKNOWN_DIGITS):
            reason = reason or Reason.PAYEE_UNKNOWN
        data = {"kind": "wallet", "command": command, "code": self._refuse(initiator, fields, payer) or code}
        order = Order(
            self.rail,
            reference,
            payer,
            payee,
            shillings * 100,
            "KES",
            fee_minor=self.charge_minor,
            data=data,
        )
        addresses = _addresses(fields)

        async def accept() -> WireReply:
            if self.world.find(self.rail, reference) is not None:
                return error(500, "500.002.1001", "Duplicate OriginatorConversationID.")
            return self._accept(order, fault, reason, addresses)

        fault = self._fault(call, reference, payee)
        return await self.world.attempt(fault, accept, INTERNAL)

    async def _pay_business(self, call: WireCall, fields: Fields) -> WireReply:
        """No reference of the caller's: the same request again is another payment."""
        initiator = fields.text("Initiator")
        command = fields.one_of("CommandID", *_BUSINESS_COMMANDS)
        fields.one_of("SenderIdentifierType", "4")
        fields.one_of("RecieverIdentifierType", "1", "2", "4")
        shillings, payer = fields.shillings(), fields.digits("PartyA", 5, 9)
        payee, bill = fields.digits("PartyB", 5, 9), fields.text("AccountReference", 1, 13)
        fields.text("Remarks", 2, 100)
        reason, code = _limits(shillings * 100, 0)
        addresses = _addresses(fields)
        data = {
            "kind": "business",
            "command": command,
            "bill": bill,
            "code": self._refuse(initiator, fields, payer) or code,
        }

        def order(reference: str) -> Order:
            return Order(
                self.rail, reference, f"{payer}-working", payee, shillings * 100, "KES", self.charge_minor, data
            )

        async def accept() -> WireReply:
            seen = self._repeats[key] = self._repeats.get(key, 0) + 1
            return self._accept(order(messages.numbered(f"{key}:{seen}")), fault, reason, addresses)

        key = f"{payee}:{bill}:{shillings}:{addresses.result}"
        fault = self._fault(call, f"{key}:{self._repeats.get(key, 0)}", payee)
        return await self.world.attempt(fault, accept, INTERNAL)

    def _fault(self, call: WireCall, reference: str, payee: str) -> Fault:
        try:
            return self.world.plan.for_order(self.rail, reference, call.headers, magic_digits(payee))
        except ValueError as unknown:
            raise Refused(400, "400.002.05", f"Invalid Request Payload: {unknown}") from unknown

    def _refuse(self, initiator: str, fields: Fields, payer: str) -> str | None:
        """M-Pesa's own checks, told by callback: who asks, and for whom."""
        if initiator != INITIATOR or open_credential(fields.text("SecurityCredential", 1, 1024)) != INITIATOR_PASSWORD:
            return "2001"
        return None if payer == SHORTCODE else "2028"

    def _accept(self, order: Order, fault: Fault, reason: Reason | None, addresses: Addresses) -> WireReply:
        if order.data["code"] is not None:
            reason = reason or Reason.REFUSED
        transfer = self.world.accept(
            order,
            fault,
            takes=self.takes,
            reason=reason,
            callback=lambda final: self._result(final, addresses.result),
        )
        self._receipts[transfer.rail_ref] = order.reference
        conversation_id = messages.conversation(order.reference, transfer.accepted_at)
        if fault is Fault.LATE_SUCCESS:  # The gateway gives up on M-Pesa, which has not given up.
            self._call_soon(messages.timed_out(addresses.timed_out, order.reference, conversation_id))
        return messages.taken(order.reference, conversation_id)

    def _result(self, transfer: Transfer, url: str) -> CallbackRequest:
        order, code = transfer.order, messages.code_of(transfer)
        parameters: list[tuple[str, Any]] = []
        if code == "0":
            self._charges_minor += order.fee_minor
            make = self._wallet_parameters if order.data["kind"] == "wallet" else self._business_parameters
            parameters = make(transfer)
        return messages.result(
            url,
            code,
            originator_id=order.reference,
            conversation_id=messages.conversation(order.reference, transfer.accepted_at),
            transaction_id=transfer.rail_ref if code == "0" else messages.no_receipt(transfer.rail_ref),
            parameters=parameters,
            where="b2cresults" if order.data["kind"] == "wallet" else "b2bresults",
        )

    def _wallet_parameters(self, transfer: Transfer) -> list[tuple[str, Any]]:
        at = transfer.final_at.astimezone(messages.NAIROBI)
        return [
            ("TransactionAmount", messages.number(transfer.told_minor)),
            ("TransactionReceipt", transfer.rail_ref),
            ("ReceiverPartyPublicName", messages.person(transfer.order.payee)),
            ("TransactionCompletedDateTime", at.strftime("%d.%m.%Y %H:%M:%S")),
            ("B2CUtilityAccountAvailableFunds", messages.number(self._held(SHORTCODE))),
            ("B2CWorkingAccountAvailableFunds", messages.number(self._held(f"{SHORTCODE}-working"))),
            ("B2CRecipientIsRegisteredCustomer", "Y"),
            ("B2CChargesPaidAccountAvailableFunds", messages.number(-self._charges_minor)),
        ]

    def _business_parameters(self, transfer: Transfer) -> list[tuple[str, Any]]:
        held = messages.decimals(self._held(f"{SHORTCODE}-working"))
        return [
            ("DebitAccountBalance", f"{{Amount={{CurrencyCode=KES, MinimumAmount=0, BasicAmount={held}}}}}"),
            ("Amount", messages.decimals(transfer.told_minor)),
            ("DebitPartyAffectedAccountBalance", f"Working Account|KES|{held}|{held}|0.00|0.00"),
            ("TransCompletedTime", messages.local(transfer.final_at)),
            ("DebitPartyCharges", self._charges(transfer)),
            ("ReceiverPartyPublicName", f"{transfer.order.payee}\u2013 Biller Company"),
            ("Currency", "KES"),
        ]

    def _charges(self, transfer: Transfer) -> str:
        fee = transfer.order.fee_minor
        what = "Fee For B2C Payment" if transfer.order.data["kind"] == "wallet" else "Business Pay Bill Charge"
        return f"{what}|KES|{messages.decimals(fee)}" if fee else ""

    def _held(self, account: str) -> int:
        return self.world.balance(self.rail, account, "KES")

    # -- questions --------------------------------------------------------------------------------------------

    async def _tell_status(self, _: WireCall, fields: Fields) -> WireReply:
        initiator, payer = fields.text("Initiator"), fields.digits("PartyA", 5, 12)
        fields.one_of("CommandID", "TransactionStatusQuery")
        fields.one_of("IdentifierType", "1", "2", "4")
        if not (fields.has("OriginalConversationID") or fields.has("TransactionID")):
            raise invalid("TransactionID")
        if fields.has("OriginalConversationID"):
            reference = fields.text("OriginalConversationID")
        else:
            reference = self._receipts.get(fields.text("TransactionID"), "")
        refused = self._refuse(initiator, fields, payer)
        addresses = _addresses(fields)

        async def ask() -> WireReply:
            originator_id, conversation_id = self._question()
            found = self.world.find_visible(self.rail, reference) if refused is None else None
            self._call_soon(
                messages.result(
                    addresses.result,
                    refused or ("0" if found else "2032"),
                    originator_id=originator_id,
                    conversation_id=conversation_id,
                    transaction_id=messages.no_receipt(World.make_ref(self.rail, originator_id)),
                    parameters=self._status_parameters(found) if found else (),
                    where="trxstatusresults",
                )
            )
            return messages.taken(originator_id, conversation_id)

        return await self.world.answer(self.rail, reference, ask, INTERNAL)

    def _status_parameters(self, transfer: Transfer) -> list[tuple[str, Any]]:
        order, wallet = transfer.order, transfer.order.data["kind"] == "wallet"
        done = transfer.state is not State.ACCEPTED
        return [
            ("DebitPartyName", f"{SHORTCODE} - Sandbox"),
            ("CreditPartyName", messages.person(order.payee) if wallet else f"{order.payee} - Biller Company"),
            ("OriginatorConversationID", order.reference),
            ("InitiatedTime", messages.local(transfer.accepted_at)),
            ("DebitAccountType", "Utility Account" if wallet else "Working Account"),
            ("DebitPartyCharges", self._charges(transfer)),
            ("TransactionReason", None),
            ("ReasonType", "Business Payment to Customer via API" if wallet else "Pay Bill via API"),
            ("TransactionStatus", messages.status_of(transfer) if done else "Pending"),
            ("FinalisedTime", messages.local(transfer.final_at) if done else None),
            ("Amount", str(messages.number(transfer.told_minor))),
            ("ConversationID", messages.conversation(order.reference, transfer.accepted_at)),
            ("ReceiptNo", transfer.rail_ref),
        ]

    async def _tell_balance(self, _: WireCall, fields: Fields) -> WireReply:
        initiator, payer = fields.text("Initiator"), fields.digits("PartyA", 5, 9)
        fields.one_of("CommandID", "AccountBalance")
        fields.one_of("IdentifierType", "1", "2", "4")
        fields.text("Remarks", 1, 100)
        refused, addresses = self._refuse(initiator, fields, payer), _addresses(fields)
        await self.world.run_due()
        originator_id, conversation_id = self._question()
        held = {
            "Working Account": self._held(f"{SHORTCODE}-working"),
            "Float Account": 0,
            "Utility Account": self._held(SHORTCODE),
            "Charges Paid Account": -self._charges_minor,
            "Organization Settlement Account": 0,
        }
        parts = [f"{name}|KES|{messages.decimals(m)}|{messages.decimals(m)}|0.00|0.00" for name, m in held.items()]
        told = [
            ("AccountBalance", "&".join(parts)),
            ("BOCompletedTime", messages.local(self.world.clock.now())),
        ]
        self._call_soon(
            messages.result(
                addresses.result,
                refused or "0",
                originator_id=originator_id,
                conversation_id=conversation_id,
                transaction_id=messages.no_receipt(World.make_ref(self.rail, originator_id)),
                parameters=() if refused else told,
                where="abresults",
            )
        )
        return messages.taken(originator_id, conversation_id)

    async def _reverse(self, call: WireCall, fields: Fields) -> WireReply:
        initiator = fields.text("Initiator")
        fields.one_of("CommandID", "TransactionReversal")
        fields.one_of("RecieverIdentifierType", "4", "11")
        receipt, shillings = fields.text("TransactionID", 10, 10), fields.shillings()
        receiver = fields.digits("ReceiverParty", 5, 9)
        fields.text("Remarks", 2, 100)
        refused, addresses = self._refuse(initiator, fields, SHORTCODE), _addresses(fields)

        async def accept() -> WireReply:
            originator_id, conversation_id = self._question()
            code = refused or await self._give_back(receipt, shillings * 100, receiver)
            parameters = [
                ("Amount", messages.decimals(shillings * 100)),
                ("TransCompletedTime", messages.local(self.world.clock.now())),
                ("OriginalTransactionID", receipt),
                ("Charge", "0.00"),
                ("CreditPartyPublicName", f"{SHORTCODE} - Sandbox"),
                ("DebitPartyPublicName", f"{receiver} - Biller Company"),
            ]
            own = World.make_ref(self.rail, originator_id)
            request = messages.result(
                addresses.result,
                code,
                originator_id=originator_id,
                conversation_id=conversation_id,
                transaction_id=own if code == "0" else messages.no_receipt(own),
                parameters=parameters if code == "0" else (),
                where="reversalresults",
            )
            if fault is not Fault.LOST_CALLBACK:
                self._call_soon(request)
            return messages.taken(originator_id, conversation_id)

        fault = self._fault(call, f"reversal:{receipt}", "")
        return await self.world.attempt(fault, accept, INTERNAL)

    async def _give_back(self, receipt: str, amount_minor: int, receiver: str) -> str:
        """M-Pesa's code. What a wallet got stays there."""
        told = self.till.give_back(receipt, amount_minor, receiver)
        if told is not None:
            return told
        transfer = self.world.find(self.rail, self._receipts.get(receipt, ""))
        if transfer is None or transfer.order.data["kind"] == "wallet" or transfer.order.amount_minor != amount_minor:
            return "R000002"
        if transfer.state is State.REVERSED:
            return "R000001"
        return "0" if transfer.order.payee == receiver and await self.world.reverse(transfer) else "R000002"

    def _question(self) -> tuple[str, str]:
        """The names of a request that is no order."""
        self._asked += 1
        originator_id = messages.numbered(f"question:{self._asked}")
        return originator_id, messages.conversation(originator_id, self.world.clock.now())

    def _call_soon(self, request: CallbackRequest) -> None:
        self.world.at(self.world.clock.now() + SOON, lambda: self.world.call(request))


def _addresses(fields: Fields) -> Addresses:
    return Addresses(fields.address("ResultURL"), fields.address("QueueTimeOutURL"))


def _limits(amount_minor: int, least_minor: int) -> tuple[Reason | None, str | None]:
    if amount_minor < least_minor:
        return Reason.LIMIT, "2"
    return (Reason.LIMIT, "3") if amount_minor > AMOUNT_MAX_MINOR else (None, None)
