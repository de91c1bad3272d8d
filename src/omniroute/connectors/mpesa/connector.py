"""The connector of M-Pesa: one request out, one meaning back."""

import base64
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from omniroute.connectors.mpesa import answers, wire
from omniroute.infra.http import ExchangeFailed, Reply, Request, Sent
from omniroute.ports.rails import (
    Ack,
    Answer,
    Balance,
    Callback,
    Capabilities,
    CodeClass,
    CodeTable,
    Context,
    Duplicates,
    EventKind,
    Holder,
    Institution,
    NotSent,
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
    StatementPage,
    Trust,
)

TOKEN = "access"  # noqa: S105 - the name of the token, not the token
# Who reads our callback addresses in a log could answer our questions in Daraja's place.
_SECRETS = frozenset({"SecurityCredential", "access_token", "ResultURL", "QueueTimeOutURL"})

_POLICY = RailPolicy(
    query_after=(
        timedelta(seconds=60),
        timedelta(minutes=5),
        timedelta(minutes=15),
        timedelta(hours=1),
        timedelta(days=1),
    ),
    query_for=timedelta(days=7),
    recheck_after=(timedelta(hours=26), timedelta(days=4)),  # No statement tells what was given back.
    not_found_times=5,
    not_found_after=timedelta(days=3),
    # B2C refuses a repeat, for how long is not said; B2B takes no reference of ours and would pay again.
    duplicates=Duplicates.PAYS_AGAIN,
    amount_min_minor={"KES": 100},
    amount_max_minor={"KES": wire.AMOUNT_MAX.amount_minor},
    reversible=True,  # What went to tills and paybills; `reverse` refuses the rest.
)


class MpesaConnector:
    """M-Pesa Kenya over Daraja.

    A connection has, public: shortcode, initiator_name, certificate (PEM of Safaricom's certificate for this
    environment) and, where it differs from the payment's type, wallet_command (SalaryPayment, BusinessPayment,
    PromotionPayment); secret: consumer_key, consumer_secret, initiator_password.
    """

    rail = "mpesa"

    def capabilities(self) -> Capabilities:
        """Payouts to wallets, tills and paybills in Kenya."""
        return Capabilities(
            operations=frozenset({Operation.PAYOUT, Operation.QUERY, Operation.BALANCE, Operation.REVERSAL}),
            currencies=frozenset({"KES"}),
            countries=frozenset({"KE"}),
            payee_kinds=frozenset({PartyKind.MSISDN, PartyKind.TILL, PartyKind.PAYBILL}),
            networks=frozenset({"safaricom"}),
            reversible_kinds=frozenset({PartyKind.TILL, PartyKind.PAYBILL}),
            reversal_by_receipt=True,
        )

    def policy(self) -> RailPolicy:
        """Waits and limits."""
        return _POLICY

    def codes(self) -> Mapping[str, CodeTable]:
        """Besides submit, callback and query: lookup (how a query went), reversal, prompt (collections)."""
        return answers.TABLES

    def check(self, payout: Payout) -> None:
        """Refuse what Daraja cannot carry. Raises: RailUnable."""
        wire.check(payout)

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str:
        """The OriginatorConversationID."""
        return wire.build_reference(attempt_id)

    async def resolve_party(self, context: Context, party: Party, *, our_ref: str) -> Holder:
        """Daraja has no name enquiry. Raises: RailUnable."""
        raise RailUnable("M-Pesa does not tell whose number it is before it is paid.")

    async def submit(self, context: Context, payout: Payout) -> Result:
        """Send the order once. Raises: NotSent; anything else raised means unknown."""
        try:
            wire.check(payout)
        except RailUnable as refusal:  # Refused before anything was sent, and the caller must know that.
            raise NotSent(str(refusal)) from refusal
        credentials, ref = context.credentials, payout.our_ref
        timed_out = context.callback_url(wire.TIMED_OUT, ref)
        if payout.payee.kind is PartyKind.MSISDN:
            result_url = context.callback_url(wire.WALLET_RESULT, ref)
            body = wire.wallet_body(credentials, payout, result_url, timed_out)
            told = await self._send(context, wire.WALLET_PATH, body, "b2c", submit=True)
            return Result(
                outcome=told.entry.outcome,
                answer=told.answer,
                provider_ref=told.conversation_id,
                our_ref=told.originator_id,
            )
        result_url = context.callback_url(wire.BUSINESS_RESULT, ref)
        body = wire.business_body(credentials, payout, result_url, timed_out)
        told = await self._send(context, wire.BUSINESS_PATH, body, "b2b", submit=True)
        return Result(outcome=told.entry.outcome, answer=told.answer, provider_ref=told.originator_id)

    async def query(self, context: Context, payout: Payout, provider_ref: str | None) -> Result:
        """Ask what became of an order; the answer comes by callback.

        Raises: Fault when Daraja cannot be asked.
        """
        if payout.payee.kind is PartyKind.MSISDN:
            purpose, asked = wire.STATUS_BY_OUR_REF, {"OriginalConversationID": payout.our_ref}
        elif provider_ref is not None:
            name = "TransactionID" if wire.is_receipt(provider_ref) else "OriginalConversationID"
            purpose, asked = wire.STATUS_BY_THEIR_REF, {name: provider_ref}
        else:
            return Result(
                Outcome.UNKNOWN,
                Answer(message="Daraja never named this order and takes no name of ours: look at the statement."),
            )
        result_url = context.callback_url(purpose, payout.our_ref)
        lapsed = context.callback_url(wire.LAPSED, payout.our_ref)
        body = wire.status_body(context.credentials, asked, result_url, lapsed)
        told = await self._send(context, wire.STATUS_PATH, body, "status")
        taken = told.entry.code == "0"
        return Result(Outcome.ASKED if taken else Outcome.UNKNOWN, told.answer)

    async def reverse(self, context: Context, payout: Payout, provider_ref: str, our_ref: str) -> Result:
        """Ask for what a till or paybill received back. `provider_ref` is the receipt.

        Raises: RailUnable for wallets: what they received is theirs; NotSent.
        """
        if payout.payee.kind is PartyKind.MSISDN:
            raise RailUnable("M-Pesa does not give back what a wallet received; ask the payee, or Safaricom's portal.")
        if not wire.is_receipt(provider_ref):
            raise RailUnable("A reversal needs the M-Pesa receipt of the payment.")
        result_url = context.callback_url(wire.REVERSAL, our_ref)
        timed_out = context.callback_url(wire.TIMED_OUT, our_ref)
        body = wire.reversal_body(context.credentials, payout, provider_ref, result_url, timed_out)
        told = await self._send(context, wire.REVERSAL_PATH, body, "reversal", submit=True)
        return Result(outcome=told.entry.outcome, answer=told.answer, provider_ref=told.originator_id)

    async def fetch_balances(self, context: Context) -> Sequence[Balance]:
        """Ask for the balances; they come by callback, so none are returned. Raises: Fault when not taken."""
        ref = f"B{context.clock.now():%Y%m%d%H%M%S%f}"
        result_url = context.callback_url(wire.BALANCE, ref)
        lapsed = context.callback_url(wire.LAPSED, ref)
        body = wire.balance_body(context.credentials, result_url, lapsed)
        told = await self._send(context, wire.BALANCE_PATH, body, "balance")
        if told.entry.code != "0":
            raise RailAnswerUnreadable(f"Daraja did not take the question for balances: {told.message}")
        return ()

    async def fetch_statement(self, context: Context, day: date, cursor: str | None) -> StatementPage:
        """Daraja has none for payouts. Raises: RailUnable."""
        raise RailUnable("M-Pesa gives statements of payouts in its portal only.")

    async def list_institutions(self, context: Context) -> Sequence[Institution]:
        """Daraja has none. Raises: RailUnable."""
        raise RailUnable("M-Pesa has no list of institutions.")

    def read_callback(self, context: Context, callback: Callback) -> Sequence[RailEvent]:
        """What a call says. Results that come by themselves are hints; answers to our questions are believed.

        Raises: RailAnswerUnreadable.
        """
        key = answers.event_key(callback.purpose, callback.ref, callback.body)
        if not callback.authentic:
            return (RailEvent(key, EventKind.OTHER, Trust.REJECTED, Result(Outcome.UNKNOWN)),)
        match callback.purpose:
            case wire.TIMED_OUT:
                return (RailEvent(key, EventKind.TIMED_OUT, Trust.HINT, _nothing_known(callback)),)
            case wire.LAPSED:
                return (RailEvent(key, EventKind.OTHER, Trust.HINT, _nothing_known(callback)),)
        told = answers.read_result(callback.body)
        match callback.purpose:
            case wire.WALLET_RESULT | wire.BUSINESS_RESULT as purpose:
                ours = purpose == wire.WALLET_RESULT
                result = answers.payout_result(told, ours=ours, our_ref=callback.ref)
                return (_event(key, EventKind.PAYOUT_RESULT, Trust.HINT, result),)
            case wire.STATUS_BY_OUR_REF | wire.STATUS_BY_THEIR_REF as purpose:
                ours = purpose == wire.STATUS_BY_OUR_REF
                result = answers.status_result(told, ours=ours, our_ref=callback.ref)
                return (_event(key, EventKind.QUERY_RESULT, Trust.VERIFIED, result),)
            case wire.REVERSAL:
                result = answers.reversal_result(told, callback.ref)
                return (_event(key, EventKind.PAYOUT_RESULT, Trust.HINT, result),)
            case wire.BALANCE:
                return (_balances(key, callback, told),)
        raise RailAnswerUnreadable(f"a callback for an unknown purpose {callback.purpose!r}")

    def acknowledge(self, callback: Callback) -> Ack:
        """Daraja wants HTTP 200 and a zero."""
        return Ack(body=b'{"ResultCode":0,"ResultDesc":"Accepted"}')

    # -- one exchange -----------------------------------------------------------------------------------------

    async def _send(
        self, context: Context, path: str, body: Mapping[str, Any], operation: str, *, submit: bool = False
    ) -> answers.Acknowledged:
        token = await context.tokens.get(TOKEN, lambda: self._fetch_token(context))
        request = Request(
            "POST",
            context.credentials.endpoint.rstrip("/") + path,
            f"mpesa.{operation}",
            headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
            body=msgspec.json.encode(body),
            safe=not submit,
            submit=submit,
            connect_timeout_s=_POLICY.connect_timeout_s,
            read_timeout_s=_POLICY.read_timeout_s,
            secrets=_SECRETS,
        )
        try:
            reply = await context.http.exchange(request)
        except ExchangeFailed as failure:
            if failure.sent is Sent.NO:
                raise NotSent(str(failure)) from failure
            raise
        told = answers.read_acknowledgement(reply)
        if reply.status == 401 or told.entry.code_class is CodeClass.AUTH:
            context.tokens.forget(TOKEN)
        return told

    async def _fetch_token(self, context: Context) -> tuple[str, datetime]:
        credentials = context.credentials
        key = wire.setting(credentials.secret, "consumer_key")
        login = f"{key}:{wire.setting(credentials.secret, 'consumer_secret')}".encode()
        request = Request(
            "GET",
            credentials.endpoint.rstrip("/") + wire.TOKEN_PATH,
            "mpesa.token",
            headers={"authorization": "Basic " + base64.b64encode(login).decode()},
            safe=True,
            connect_timeout_s=_POLICY.connect_timeout_s,
            read_timeout_s=_POLICY.read_timeout_s,
            secrets=_SECRETS,
        )
        now = context.clock.now()
        try:
            reply = await context.http.exchange(request)
        except ExchangeFailed as failure:
            raise NotSent("Daraja gave no access token: no reply") from failure
        return _read_token(reply, now)


def _read_token(reply: Reply, now: datetime) -> tuple[str, datetime]:
    try:
        data = answers.read_json(reply.body)
    except RailAnswerUnreadable as error:
        raise NotSent(f"Daraja gave no access token: HTTP {reply.status}") from error
    token = data.get("access_token") if isinstance(data, dict) else None
    if reply.status != 200 or not isinstance(token, str) or not token.isascii() or not token.isprintable():
        code = data.get("errorCode") if isinstance(data, dict) else None
        raise NotSent(f"Daraja gave no access token: HTTP {reply.status}, code {code}")
    lasts = str(data.get("expires_in")) if isinstance(data, dict) else ""
    return token, now + timedelta(seconds=int(lasts) if lasts.isascii() and lasts.isdigit() else 0)


def _event(key: str, kind: EventKind, trust: Trust, result: Result) -> RailEvent:
    return RailEvent(key, kind, trust, result, occurred_at=result.finalised_at)


def _nothing_known(callback: Callback) -> Result:
    try:
        told = answers.read_result(callback.body)
    except RailAnswerUnreadable:  # The address says it all; the form of the body is documented nowhere.
        return Result(Outcome.UNKNOWN, our_ref=callback.ref)
    return Result(Outcome.UNKNOWN, told.answer(answers.UNREAD), our_ref=callback.ref)


def _balances(key: str, callback: Callback, told: answers.Told) -> RailEvent:
    at = callback.received_at
    balances = tuple(Balance(kind, amount, at) for kind, amount in answers.read_balances(told).items())
    return RailEvent(
        key,
        EventKind.BALANCE,
        Trust.VERIFIED,
        Result(Outcome.UNKNOWN, told.answer(answers.UNREAD)),
        occurred_at=at,
        balances=balances,
    )
