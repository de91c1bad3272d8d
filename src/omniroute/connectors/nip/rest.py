"""NIP as REST (EasyPay): the same messages as JSON, behind an OAuth2 token.

POST {endpoint}/v2/reset                        client credentials -> access token
POST {endpoint}/nipservice/v1/nip/nameenquiry
POST {endpoint}/nipservice/v1/nip/fundstransfer
POST {endpoint}/nipservice/v1/nip/tsq
POST {endpoint}/nipservice/v1/nip/balanceenquiry
GET  {endpoint}/nipservice/v1/nip/institutions
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from omniroute.connectors.nip import rules, settlement
from omniroute.connectors.nip.rules import POLICY, Profile, Said, ServerFailed
from omniroute.connectors.nip.wire import (
    ANSWER_BYTES_MAX,
    NAME_MAX,
    NARRATION_MAX,
    REFERENCE_MAX,
    amount_text,
    clean,
    parse_amount,
)
from omniroute.connectors.replies import message, send_order
from omniroute.infra.http import ExchangeFailed, Request
from omniroute.kit.ids import uuid7
from omniroute.ports.rails import (
    Ack,
    Balance,
    Callback,
    Capabilities,
    CodeTable,
    Context,
    Holder,
    Institution,
    NotSent,
    Operation,
    Party,
    Payout,
    RailAnswerUnreadable,
    RailEvent,
    RailPolicy,
    RailUnable,
    Result,
    StatementPage,
)

TOKEN_PATH = "/v2/reset"  # noqa: S105 - a path
API_PATH = "/nipservice/v1/nip"
TOKEN_LIFE_S = 300
"""Taken when the answer does not say how long a token lives."""

SECRETS = frozenset(
    {
        "access_token",
        "apikey",
        "authorization",
        "authorizationCode",
        "bankVerificationNumber",
        "beneficiaryBankVerificationNumber",
        "client_secret",
        "mandateReferenceNumber",
        "originatorBankVerificationNumber",
        "targetBankVerificationNumber",
    }
)


_CODES = {phase: replace(table, rail="nip_rest") for phase, table in rules.CODES.items()}


class NipRestConnector:
    """NIP in its REST form. What the connection needs stands in docs/modules/connectors-nip.md."""

    rail = "nip_rest"

    def capabilities(self) -> Capabilities:
        """Naira to Nigerian bank accounts."""
        return rules.capabilities(Operation.INSTITUTIONS)

    def policy(self) -> RailPolicy:
        """Three queries a minute apart, then the settlement report."""
        return POLICY

    def codes(self) -> Mapping[str, CodeTable]:
        """Tables for submit, query and enquiry: those of the SOAP form."""
        return _CODES

    def check(self, payout: Payout) -> None:
        """Raises: RailUnable."""
        rules.check(payout)

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str:
        """A transaction id of 30 digits."""
        return rules.build_reference(context_public, attempt_id, created_at)

    async def resolve_party(self, context: Context, party: Party, *, our_ref: str) -> Holder:
        """Raises: RailUnable when there is no such account; EnquiryUnanswered, NotSent, Fault when nobody told."""
        rules.check_account(party)
        said = await self._post(
            context,
            "nameenquiry",
            {
                "accountNumber": party.identifier,
                "channelCode": Profile.of(context.credentials).channel,
                "destinationInstitutionCode": party.institution,
                "transactionId": our_ref,
            },
        )
        if (_digits(said, "transactionId", 30) or our_ref) != our_ref:
            raise RailAnswerUnreadable("the answer is to another name enquiry")
        if (_digits(said, "accountNumber", 10) or party.identifier) != party.identifier:
            raise RailAnswerUnreadable("the answer is about another account")
        return rules.holder_of(
            party,
            _text(said, "responseCode"),
            name=_text(said, "accountName") or "",
            enquiry_ref=_digits(said, "sessionID", 30) or "",  # NIBSS's own, not ours: the transfer must quote it.
            kyc_level=_text(said, "kycLevel") or "",
            bvn=_text(said, "bankVerificationNumber") or "",
        )

    async def submit(self, context: Context, payout: Payout) -> Result:
        """Funds transfer. Raises: NotSent; anything else means unknown."""
        holder = rules.ready_to_send(payout)
        profile, public = Profile.of(context.credentials), context.credentials.public
        payee, payer = rules.beneficiary(payout, holder), rules.originator(payout, profile)
        narration = clean(payout.narration, NARRATION_MAX)
        body = {
            "amount": amount_text(payout.amount),
            "beneficiaryAccountName": clean(payee[0], NAME_MAX),
            "beneficiaryAccountNumber": payee[1],
            "beneficiaryBankVerificationNumber": payee[2],
            "beneficiaryKYCLevel": payee[3],
            "channelCode": profile.channel,
            "originatorAccountName": clean(payer[0], NAME_MAX),
            "originatorAccountNumber": payer[1],
            "originatorKYCLevel": payer[3],
            "mandateReferenceNumber": context.credentials.secret.get("mandate_reference", ""),
            "paymentReference": clean(payout.payment_reference, REFERENCE_MAX),
            "transactionLocation": profile.location,
            "originatorNarration": narration,
            "beneficiaryNarration": narration,
            "billerId": public.get("biller_id", ""),
            "destinationInstitutionCode": payout.payee.institution,
            "sourceInstitutionCode": profile.account_institution,
            "transactionId": payout.our_ref,
            "originatorBankVerificationNumber": payer[2],
            "nameEnquiryRef": holder.enquiry_ref,
            "InitiatorAccountName": clean(profile.name, NAME_MAX),
            "InitiatorAccountNumber": profile.account,
        }
        try:
            return _result("submit", payout, await self._post(context, "fundstransfer", body, submit=True))
        except ServerFailed as failed:
            return rules.unknown_by(failed)

    async def query(self, context: Context, payout: Payout, provider_ref: str | None) -> Result:
        """Transaction status query by our transaction id; after its 24 hours the settlement report. Raises: Fault."""
        if settlement.decides(context, payout):
            return await settlement.look_up(context, payout)
        try:
            return _result("query", payout, await self._post(context, "tsq", {"transactionId": payout.our_ref}))
        except ServerFailed as failed:
            return rules.unknown_by(failed)

    async def reverse(self, context: Context, payout: Payout, provider_ref: str, our_ref: str) -> Result:
        """NIP has no way back. Raises: RailUnable."""
        raise RailUnable("a NIP transfer cannot be called back")

    async def fetch_balances(self, context: Context) -> Sequence[Balance]:
        """What the account holds from which transfers are paid. Raises: Fault."""
        profile, now = Profile.of(context.credentials), context.clock.now()
        body = {
            "channelCode": profile.channel,
            "targetAccountName": profile.name,
            "targetAccountNumber": profile.account,
            "targetBankVerificationNumber": profile.bvn,
            "authorizationCode": profile.authorization,
            "destinationInstitutionCode": profile.account_institution,
            "billerId": context.credentials.public.get("biller_id", ""),
            "transactionId": rules.build_reference(context.credentials.public, uuid7(), now),
        }
        said = await self._post(context, "balanceenquiry", body)
        rules.check_enquiry(_text(said, "responseCode"))
        return [Balance("available", parse_amount(said.get("availableBalance"), rules.CURRENCY), now)]

    async def fetch_statement(self, context: Context, day: date, cursor: str | None) -> StatementPage:
        """The settlement report of a day, where the connection says where it lies. Raises: RailUnable, Fault."""
        return await settlement.fetch(context, day, cursor)

    async def list_institutions(self, context: Context) -> Sequence[Institution]:
        """Every institution that takes part in NIP. Raises: Fault."""
        listed = await self._exchange(context, "GET", "institutions", b"", submit=False)
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise RailAnswerUnreadable("the list of institutions is not a list of objects")
        found = [Institution(_digits(one, "institutionCode", 6) or "", _text(one, "institutionName") or "", "NG")
                 for one in listed]  # fmt: skip
        return [one for one in found if one.code and one.name]

    def read_callback(self, context: Context, callback: Callback) -> Sequence[RailEvent]:
        """EasyPay calls nobody. Raises: RailAnswerUnreadable."""
        raise RailAnswerUnreadable("NIP's REST form has no callbacks")

    def acknowledge(self, callback: Callback) -> Ack:
        """Received."""
        return Ack()

    async def _post(
        self, context: Context, path: str, body: Mapping[str, object], *, submit: bool = False
    ) -> dict[str, Any]:
        answer = await self._exchange(context, "POST", path, json.dumps(body).encode(), submit=submit)
        if not isinstance(answer, dict):
            raise RailAnswerUnreadable("the answer is not a JSON object")
        return answer

    async def _exchange(self, context: Context, method: str, path: str, body: bytes, *, submit: bool) -> Any:
        """The JSON of an answer. Raises: NotSent, ExchangeFailed, ServerFailed, RailAnswerUnreadable."""
        token = await context.tokens.get(self.rail, lambda: fetch_token(context))
        headers = {"authorization": f"Bearer {token}", "accept": "application/json", **_api_key(context)}
        reply = await send_order(
            context,
            Request(
                method=method,
                url=f"{context.credentials.endpoint.rstrip('/')}{API_PATH}/{path}",
                operation=f"nip_rest.{path}",
                headers=headers | ({"content-type": "application/json"} if body else {}),
                body=body,
                safe=method == "GET",
                submit=submit,
                connect_timeout_s=rules.CONNECT_TIMEOUT_S,
                read_timeout_s=rules.READ_TIMEOUT_S,
                secrets=SECRETS,
            ),
        )
        if reply.status == 401:
            context.tokens.forget(self.rail)
        if reply.status >= 500:
            raise ServerFailed(reply.status)
        if 200 <= reply.status < 300:
            return parse_json(reply.body)
        # A refusal counts by its code, never by its status; without a code it proves nothing.
        try:
            answer = parse_json(reply.body)
        except RailAnswerUnreadable as error:
            raise ServerFailed(reply.status) from error
        if not isinstance(answer, dict) or _text(answer, "responseCode") is None:
            raise ServerFailed(reply.status)
        return answer


async def fetch_token(context: Context) -> tuple[str, datetime]:
    """A fresh access token and when it ends.

    Raises: NotSent: without a token no order leaves the house.
    """
    credentials = context.credentials
    client_id = credentials.public.get("client_id", "")
    form = {
        "client_id": client_id,
        "scope": credentials.public.get("scope", f"{client_id}/.default"),
        "client_secret": credentials.secret.get("client_secret", ""),
        "grant_type": "client_credentials",
    }
    request = Request(
        method="POST",
        url=credentials.endpoint.rstrip("/") + credentials.public.get("token_path", TOKEN_PATH),
        operation="nip_rest.token",
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
            **_api_key(context),
        },
        body=urlencode(form).encode(),
        safe=True,
        connect_timeout_s=rules.CONNECT_TIMEOUT_S,
        secrets=SECRETS,
    )
    now = context.clock.now()
    try:
        reply = await context.http.exchange(request)
        answer = parse_json(reply.body) if reply.status == 200 else None
    except (ExchangeFailed, RailAnswerUnreadable) as failed:
        raise NotSent(f"no access token: {failed}") from failed
    if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
        raise NotSent(f"no access token: HTTP {reply.status}")
    life = _text(answer, "expires_in") or ""
    seconds = int(life) if life.isascii() and life.isdigit() and len(life) < 9 else TOKEN_LIFE_S
    return answer["access_token"], now + timedelta(seconds=seconds)


def parse_json(content: bytes) -> Any:
    """JSON with exact numbers and no name twice in an object.

    Raises: RailAnswerUnreadable.
    """
    if len(content) > ANSWER_BYTES_MAX:
        raise RailAnswerUnreadable("the answer is too large")
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RailAnswerUnreadable("the answer is not JSON that we accept") from error


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _api_key(context: Context) -> dict[str, str]:
    key = context.credentials.secret.get("api_key")
    return {"apikey": key} if key else {}


def _text(said: Mapping[str, Any], name: str) -> str | None:
    """A field as text, whether it came as string or number; None when it is missing, empty or anything else."""
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def _digits(said: Mapping[str, Any], name: str, length: int) -> str | None:
    """A number of fixed length. EasyPay is seen to drop leading zeros and to add apostrophes."""
    text = _text(said, name)
    if text is None:
        return None
    text = text.strip("'")
    return text.zfill(length) if text.isascii() and text.isdigit() else text


def _result(phase: str, payout: Payout, said: Mapping[str, Any]) -> Result:
    amount = said.get("amount")
    found = Said(
        code=_text(said, "responseCode"),
        reference=_digits(said, "transactionId", 30),
        provider_ref=_digits(said, "sessionID", 30),
        amount=None if amount is None or amount == "" else parse_amount(amount, rules.CURRENCY),
        account=_digits(said, "beneficiaryAccountNumber", 10),
        message=message(said.get("responseMessage")) or message(said.get("message")),
    )
    return rules.result_of(phase, payout.our_ref, found, rules.redact(said))
