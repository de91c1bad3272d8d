"""The provider: log-in, reserved accounts, transactions, the wallet, and the dashboard's one setting we need."""

import dataclasses
import itertools
import re
from collections.abc import Mapping
from datetime import timedelta
from hashlib import blake2b

from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.faults import Fault
from omniroute.sandbox.monnify.accounts import (
    BANKS,
    CONTRACT_CODE,
    CURRENCY,
    Account,
    open_account,
    refusal,
    show,
)
from omniroute.sandbox.monnify.messages import (
    INTERNAL,
    INVALID_TOKEN,
    NO_ACCOUNT,
    NO_TRANSACTION,
    failure,
    line,
    notification,
    number,
    page,
    sign,
    success,
    transaction,
)
from omniroute.sandbox.monnify.payers import LATE, REVERSAL, Mishap, Payment, Sent, read_transfer, session_of
from omniroute.sandbox.rail import Router, TestConnection, magic_digits
from omniroute.sandbox.transfers import Order
from omniroute.sandbox.wallets import Tokens, basic, read_json, send
from omniroute.sandbox.wire import WireCall, WireReply
from omniroute.sandbox.world import Delivered, World

API_KEY = "MK_SANDBOX_OMNIROUTE"
SECRET_KEY = "sandbox-secret-key"  # noqa: S105 - worth nothing outside of the sandbox
WALLET = "8016472829"
PAGE_MAX = 100

_NAMED = re.compile(r"/of/([A-Za-z0-9_-]{1,64})(/.*)")


class MonnifySandbox:
    """Monnify, and one merchant of it; others, each with accounts and a wallet of its own, are under `/of/{name}`.

    `fee_minor`: what Monnify keeps of each transfer.
    """

    rail = "monnify"

    def __init__(self, world: World, *, fee_minor: int = 10_00, wallet: str = WALLET) -> None:
        self.world = world
        self.fee_minor = fee_minor
        self.wallet = wallet
        self.others: dict[str, MonnifySandbox] = {}
        self.callback_url: str | None = None
        self.tokens = Tokens(timedelta(seconds=3599))
        self.payments: dict[str, Payment] = {}
        self._accounts: dict[str, Account] = {}
        self._used: set[str] = set()  # References, also those of accounts that were given back.
        self._tried: set[str] = set()
        self._by_session: dict[str, Payment] = {}
        self._counts = itertools.count(1)
        world.fund(self.rail, wallet, CURRENCY, 0)
        self._router = Router()
        accounts = "bank-transfer/reserved-accounts"
        for method, pattern, route in (
            ("POST", "/api/v1/auth/login", self._log_in),
            ("POST", f"/api/v2/{accounts}", self._open),
            ("GET", f"/api/v2/{accounts}/{{reference}}", self._tell_account),
            ("DELETE", f"/api/v1/{accounts}/reference/{{reference}}", self._close),
            ("GET", f"/api/v1/{accounts}/transactions", self._list_of_account),
            ("GET", "/api/v2/transactions/{reference}", self._tell_transaction),
            ("GET", "/api/v1/transactions/search", self._search),
            ("GET", "/api/v2/disbursements/wallet-balance", self._tell_balance),
            ("PUT", "/portal/callback", self._set_callback),
            ("GET", "/portal/callback", self._tell_callback),
            ("POST", "/portal/transfers", self._take_transfer),
        ):
            self._router.add(method, pattern, route)

    def connections(self) -> list[TestConnection]:
        """The merchant that has no name."""
        return [self._connection("")]

    def connections_of(self, customer: str) -> list[TestConnection]:
        """The merchant of this name, made when it is first asked for."""
        return [self._other(customer)._connection(f"/of/{customer}")]

    def _connection(self, path: str) -> TestConnection:
        public = {"contract_code": CONTRACT_CODE, "preferred_bank": "50515", "wallet_account": self.wallet}
        secret = {"api_key": API_KEY, "secret_key": SECRET_KEY}
        return TestConnection(self.rail, path, self.wallet, CURRENCY, public, secret, f"{path}/portal/callback")

    def _other(self, name: str) -> "MonnifySandbox":
        if name not in self.others:
            drawn = int.from_bytes(blake2b(name.encode(), digest_size=8).digest())
            self.others[name] = MonnifySandbox(self.world, fee_minor=self.fee_minor, wallet=f"81{drawn % 10**8:08}")
            self.others[name]._counts = self._counts  # References are Monnify's, not a merchant's.
        return self.others[name]

    async def handle(self, call: WireCall) -> WireReply:
        """Answer one call. Raises: Drop."""
        named = _NAMED.fullmatch(call.path)
        if named is not None:
            return await self._other(named[1]).handle(dataclasses.replace(call, path=named[2]))
        outside = call.path.startswith("/portal/") or call.path == "/api/v1/auth/login"
        if not outside and self.tokens.user_of(call.headers.get("authorization", ""), self.world.clock.now()) is None:
            return INVALID_TOKEN
        return await self._router.dispatch(call, send({"error": "Not Found", "path": call.path}, 404))

    async def _log_in(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        if basic(call.headers.get("authorization", "")) != (API_KEY, SECRET_KEY):
            return failure(401, "Invalid credentials")
        token = self.tokens.give(API_KEY, self.world.clock.now())
        return success({"accessToken": token, "expiresIn": 3599})

    async def _set_callback(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        url = (read_json(call.body) or {}).get("url")
        self.callback_url = url if isinstance(url, str) and url else None
        return send({"url": self.callback_url})

    async def _tell_callback(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        return send({"url": self.callback_url})

    # -- accounts ---------------------------------------------------------------------------------------------

    async def _open(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        data = read_json(call.body) or {}
        refused = refusal(data)
        if refused is not None:
            return refused
        reference, name = data["accountReference"], data["accountName"]
        fault = Fault.NONE
        if reference not in self._tried:  # Who asks again has better luck.
            self._tried.add(reference)
            try:
                fault = self.world.plan.for_order(self.rail, reference, call.headers, magic_digits(name))
            except ValueError as unknown:
                return failure(400, str(unknown))

        async def effect() -> WireReply:
            if reference in self._used:
                return failure(422, "You can not reserve two accounts with the same reference")
            if fault is Fault.DECLINED:
                return failure(422, "You cannot reserve more than 1 account(s) for a customer", "R42")
            self._used.add(reference)
            self._accounts[reference] = open_account(data, self.world.clock.now())
            return success(show(self._accounts[reference]))

        return await self.world.attempt(fault, effect, INTERNAL)

    async def _tell_account(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        async def effect() -> WireReply:
            found = self._accounts.get(names["reference"])
            return NO_ACCOUNT if found is None else success(show(found))

        return await self.world.answer(self.rail, names["reference"], effect, INTERNAL)

    async def _close(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        found = self._accounts.pop(names["reference"], None)
        return NO_ACCOUNT if found is None else success(show(found))

    # -- transactions -----------------------------------------------------------------------------------------

    async def _tell_transaction(self, call: WireCall, names: Mapping[str, str]) -> WireReply:
        async def effect() -> WireReply:
            found = self.payments.get(names["reference"])
            known = found is not None and found.visible_at <= self.world.clock.now()
            return success(transaction(found)) if found is not None and known else NO_TRANSACTION

        return await self.world.answer(self.rail, names["reference"], effect, INTERNAL)

    async def _list_of_account(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        reference = call.query.get("accountReference")
        found = [one for one in self._known() if one.account_reference == reference]
        return self._page(call, found) if reference in self._used else NO_ACCOUNT

    async def _search(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        try:
            start, end = int(call.query.get("from", 0)), int(call.query.get("to", 2**62))
        except ValueError:
            return INTERNAL
        found = [one for one in self._known() if start <= one.created_at.timestamp() * 1000 <= end]
        state = call.query.get("paymentStatus")
        return self._page(call, [one for one in found if state in (None, one.state)])

    def _known(self) -> list[Payment]:
        """What lists show, the newest first."""
        now = self.world.clock.now()
        return [one for one in reversed(self.payments.values()) if one.visible_at <= now]

    def _page(self, call: WireCall, found: list[Payment]) -> WireReply:
        try:
            start, size = int(call.query.get("page", 0)), int(call.query.get("size", 10))
        except ValueError:
            return INTERNAL
        if start < 0 or not 1 <= size <= PAGE_MAX:
            return INTERNAL
        return success(page([line(one) for one in found], start, size))

    async def _tell_balance(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        await self.world.run_due()
        if call.query.get("accountNumber") != self.wallet:
            return failure(404, "Supplied account number does not belong to merchant")
        held = number(self.world.balance(self.rail, self.wallet, CURRENCY), CURRENCY)
        return success({"availableBalance": held, "ledgerBalance": held})

    # -- the payer's bank -------------------------------------------------------------------------------------

    async def _take_transfer(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        try:
            payment = self.pay_in(read_transfer(read_json(call.body) or {}))
        except ValueError as wrong:
            return send({"error": str(wrong)}, 400)
        await self.world.run_due()
        return send({"transactionReference": payment.reference, "sessionId": payment.session, "state": payment.state})

    def pay_in(self, sent: Sent) -> Payment:
        """A transfer arrives; the same session is the same transfer. Raises: ValueError when nobody has the account."""
        for other in self.others.values():
            if other._find(sent) is not None:
                return other.pay_in(sent)
        known = self._by_session.get(sent.session or "")
        if known is not None:
            return known
        payment = self._payment(sent)
        self.payments[payment.reference] = self._by_session[payment.session] = payment
        late = LATE if sent.mishap is Mishap.PENDING else timedelta(0)
        self.world.at(payment.created_at + late, lambda: self._arrive(payment))
        return payment

    def _payment(self, sent: Sent) -> Payment:
        found = self._find(sent)
        if found is None:
            raise ValueError("no account has this number")
        account, bank = found
        now, count = self.world.clock.now(), next(self._counts)
        early = sent.mishap is Mishap.EARLY_NOTIFICATION
        payable = {Mishap.PARTIAL: sent.amount_minor * 2, Mishap.OVERPAID: max(1, sent.amount_minor >> 1)}
        return Payment(
            reference=f"MNFY|04|{now:%Y%m%d%H%M%S}|{count:06}",
            session=sent.session or session_of(count, now),
            account_reference=account.reference,
            account_number=sent.account_number,
            bank_code=bank,
            bank_name=BANKS[bank],
            amount_minor=sent.amount_minor,
            payable_minor=payable.get(sent.mishap, sent.amount_minor),
            fee_minor=min(self.fee_minor, sent.amount_minor),
            currency=sent.currency,
            narration=sent.narration or account.name,
            payer=sent.payer,
            mishap=sent.mishap,
            created_at=now,
            visible_at=now + (LATE if early else timedelta(0)),
            customer=account.customer,
        )

    def _find(self, sent: Sent) -> tuple[Account, str] | None:
        for account in self._accounts.values():
            for bank, its_number in account.numbers.items():
                if its_number == sent.account_number and sent.bank_code in (None, bank) and sent.currency == CURRENCY:
                    return account, bank
        return None

    async def _arrive(self, payment: Payment) -> None:
        """The money is there: it is settled to the wallet, and the merchant is notified."""
        payment.paid_at = now = self.world.clock.now()
        order = self._order(payment)
        self.world.receive(order, payment.reference)
        if payment.mishap is Mishap.REVERSED_LATER:
            self.world.at(now + REVERSAL, lambda: self._give_back(payment))
        if self.callback_url is None:
            return
        request = self._notification(self.callback_url, payment)
        if payment.mishap is Mishap.LOST_NOTIFICATION:
            self.world.callbacks.append(Delivered(now, request, None))
            return
        moment = timedelta(milliseconds=1)
        when = [LATE] if payment.mishap is Mishap.LATE_NOTIFICATION else [moment]
        if payment.mishap is Mishap.DUPLICATE_NOTIFICATION:
            when = [moment, moment * 2, timedelta(minutes=5)]
        for wait in when:
            self.world.at(now + wait, lambda: self.world.call(request))

    async def _give_back(self, payment: Payment) -> None:
        payment.reversed_at = self.world.clock.now()
        self.world.return_received(self._order(payment), payment.reference)

    def _order(self, payment: Payment) -> Order:
        """The transfer, in the words of the sandbox's books."""
        return Order(
            self.rail,
            payment.session,
            self.wallet,
            payment.payer["accountNumber"],
            payment.amount_minor,
            payment.currency,
            payment.fee_minor,
            {"account": payment.account_reference, "number": payment.account_number},
        )

    @staticmethod
    def _notification(url: str, payment: Payment) -> CallbackRequest:
        body = notification(payment)
        secret = "another key" if payment.mishap is Mishap.WRONG_SIGNATURE else SECRET_KEY
        headers = {"content-type": "application/json", "monnify-signature": sign(secret, body)}
        return CallbackRequest(url, body, "POST", headers)
