"""NIP as SOAP: one encrypted XML message in, one out."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from omniroute.connectors.nip import rules, settlement
from omniroute.connectors.nip.cipher import Cipher, CipherBroken, cipher_of
from omniroute.connectors.nip.rules import POLICY, Profile, Said, ServerFailed
from omniroute.connectors.nip.wire import (
    NAME_MAX,
    NARRATION_MAX,
    OPERATIONS,
    REFERENCE_MAX,
    amount_text,
    build_message,
    clean,
    parse_amount,
    parse_message,
    read,
    unwrap,
    unwrap_request,
    wrap,
)
from omniroute.connectors.replies import message as words
from omniroute.connectors.replies import send_order
from omniroute.infra.http import Request
from omniroute.kit.ids import uuid7
from omniroute.ports.rails import (
    Ack,
    Answer,
    Balance,
    Callback,
    Capabilities,
    CodeTable,
    Context,
    EventKind,
    Holder,
    Institution,
    Outcome,
    Party,
    Payout,
    RailAnswerUnreadable,
    RailEvent,
    RailPolicy,
    RailUnable,
    Result,
    StatementPage,
    Trust,
)

SECRETS = frozenset(
    {
        "AuthorizationCode",
        "BankVerificationNumber",
        "BeneficiaryBankVerificationNumber",
        "OriginatorBankVerificationNumber",
        "TargetBankVerificationNumber",
        "request",
        "return",
    }
)

INSTITUTIONS = "institutions"
"""Purpose of the address at which NIBSS leaves its list of institutions."""


class NipConnector:
    """NIP in its SOAP form. What the connection needs stands in docs/modules/connectors-nip.md."""

    rail = "nip"

    def capabilities(self) -> Capabilities:
        """Naira to Nigerian bank accounts. The list of institutions is pushed to us, not asked for."""
        return rules.capabilities()

    def policy(self) -> RailPolicy:
        """Three queries a minute apart, then the settlement report."""
        return POLICY

    def codes(self) -> Mapping[str, CodeTable]:
        """Tables for submit, query and enquiry."""
        return rules.CODES

    def check(self, payout: Payout) -> None:
        """Raises: RailUnable."""
        rules.check(payout)

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str:
        """A session id of 30 digits."""
        return rules.build_reference(context_public, attempt_id, created_at)

    async def resolve_party(self, context: Context, party: Party, *, our_ref: str) -> Holder:
        """Raises: RailUnable when there is no such account; EnquiryUnanswered, NotSent, Fault when nobody told."""
        rules.check_account(party)
        profile = Profile.of(context.credentials)
        said = await self._call(
            context,
            "NESingleRequest",
            {
                "SessionID": our_ref,
                "DestinationInstitutionCode": party.institution or "",
                "ChannelCode": profile.channel,
                "AccountNumber": party.identifier,
            },
        )
        if said.get("SessionID", our_ref) != our_ref or said.get("AccountNumber", party.identifier) != party.identifier:
            raise RailAnswerUnreadable("the answer is to another name enquiry")
        return rules.holder_of(
            party,
            said.get("ResponseCode"),
            name=said.get("AccountName", ""),
            enquiry_ref=said.get("SessionID", ""),
            kyc_level=said.get("KYCLevel", ""),
            bvn=said.get("BankVerificationNumber", ""),
        )

    async def submit(self, context: Context, payout: Payout) -> Result:
        """Fund transfer, direct credit. Raises: NotSent; anything else means unknown."""
        holder = rules.ready_to_send(payout)
        profile = Profile.of(context.credentials)
        payee, payer = rules.beneficiary(payout, holder), rules.originator(payout, profile)
        values = {
            "SessionID": payout.our_ref,
            "NameEnquiryRef": holder.enquiry_ref or "",
            "DestinationInstitutionCode": payout.payee.institution or "",
            "ChannelCode": profile.channel,
            "BeneficiaryAccountName": clean(payee[0], NAME_MAX),
            "BeneficiaryAccountNumber": payee[1],
            "BeneficiaryBankVerificationNumber": payee[2],
            "BeneficiaryKYCLevel": payee[3],
            "OriginatorAccountName": clean(payer[0], NAME_MAX),
            "OriginatorAccountNumber": payer[1],
            "OriginatorBankVerificationNumber": payer[2],
            "OriginatorKYCLevel": payer[3],
            "TransactionLocation": profile.location,
            "Narration": clean(payout.narration, NARRATION_MAX),
            "PaymentReference": clean(payout.payment_reference, REFERENCE_MAX),
            "Amount": amount_text(payout.amount),
        }
        try:
            return _result("submit", payout, await self._call(context, "FTSingleCreditRequest", values, submit=True))
        except ServerFailed as failed:
            return rules.unknown_by(failed)

    async def query(self, context: Context, payout: Payout, provider_ref: str | None) -> Result:
        """Transaction status query by session id; after its 24 hours the settlement report. Raises: Fault."""
        if settlement.decides(context, payout):
            return await settlement.look_up(context, payout)
        profile = Profile.of(context.credentials)
        values = {
            "SourceInstitutionCode": profile.institution,
            "ChannelCode": profile.channel,
            "SessionID": payout.our_ref,
        }
        try:
            return _result("query", payout, await self._call(context, "TSQuerySingleRequest", values))
        except ServerFailed as failed:
            return rules.unknown_by(failed)

    async def reverse(self, context: Context, payout: Payout, provider_ref: str, our_ref: str) -> Result:
        """NIP has no way back. Raises: RailUnable."""
        raise RailUnable("a NIP transfer cannot be called back")

    async def fetch_balances(self, context: Context) -> Sequence[Balance]:
        """What the account holds from which transfers are paid. Raises: Fault."""
        profile, now = Profile.of(context.credentials), context.clock.now()
        values = {
            "SessionID": rules.build_reference(context.credentials.public, uuid7(), now),
            "DestinationInstitutionCode": profile.account_institution,
            "ChannelCode": profile.channel,
            "AuthorizationCode": profile.authorization,
            "TargetAccountName": profile.name,
            "TargetBankVerificationNumber": profile.bvn,
            "TargetAccountNumber": profile.account,
        }
        said = await self._call(context, "BalanceEnquiryRequest", values)
        rules.check_enquiry(said.get("ResponseCode"))
        return [Balance("available", parse_amount(said.get("AvailableBalance"), rules.CURRENCY), now)]

    async def fetch_statement(self, context: Context, day: date, cursor: str | None) -> StatementPage:
        """The settlement report of a day, where the connection says where it lies. Raises: RailUnable, Fault."""
        return await settlement.fetch(context, day, cursor)

    async def list_institutions(self, context: Context) -> Sequence[Institution]:
        """In the SOAP form NIBSS pushes its list (`read_callback`). Raises: RailUnable."""
        raise RailUnable("in its SOAP form NIP pushes the list of institutions; it cannot be asked for")

    def read_callback(self, context: Context, callback: Callback) -> Sequence[RailEvent]:
        """The list of institutions that NIBSS pushes; `raw["institutions"]` by code. Raises: RailAnswerUnreadable."""
        sealed = unwrap_request(callback.body, OPERATIONS["FinancialInstitutionListRequest"])
        cipher = cipher_of(context.credentials)
        message = read(_open(cipher, sealed))
        if message.name != "FinancialInstitutionListRequest":
            raise RailAnswerUnreadable(f"{message.name} is not the list of institutions")
        values = [{part.name: part.text.strip() for part in record.children} for record in message.all("Record")]
        named = {one.get("InstitutionCode", ""): one.get("InstitutionName", "") for one in values}
        batch = next((part.text.strip() for head in message.all("Header") for part in head.all("BatchNumber")), "")
        trust = (Trust.VERIFIED if cipher.signs else Trust.HINT) if callback.authentic else Trust.REJECTED
        result = Result(Outcome.UNKNOWN, Answer(raw={"batch": batch, INSTITUTIONS: named}))
        return [RailEvent(f"{INSTITUTIONS}:{batch}", EventKind.OTHER, trust, result, callback.received_at)]

    def acknowledge(self, callback: Callback) -> Ack:
        """Received."""
        return Ack(content_type="text/xml; charset=utf-8")

    async def _call(
        self, context: Context, message: str, values: Mapping[str, str], *, submit: bool = False
    ) -> dict[str, str]:
        """The elements of the answer. Raises: NotSent, ExchangeFailed, ServerFailed, RailAnswerUnreadable."""
        operation, cipher = OPERATIONS[message], cipher_of(context.credentials)
        sealed = cipher.seal(build_message(message, values))
        reply = await send_order(
            context,
            Request(
                method="POST",
                url=_address(context, message),
                operation=f"nip.{operation}",
                headers={"content-type": "text/xml; charset=utf-8", "soapaction": '""'},
                body=wrap(operation, sealed),
                submit=submit,
                connect_timeout_s=rules.CONNECT_TIMEOUT_S,
                read_timeout_s=rules.READ_TIMEOUT_S,
                secrets=SECRETS,
            ),
        )
        if reply.status != 200:
            raise ServerFailed(reply.status)
        name, said = parse_message(_open(cipher, unwrap(reply.body, operation)))
        if name != message.replace("Request", "Response"):
            raise RailAnswerUnreadable(f"{message} was answered by {name}")
        return said


def _address(context: Context, message: str) -> str:
    """Status queries have an interface of their own at NIBSS."""
    if message == "TSQuerySingleRequest":
        return context.credentials.public.get("tsq_endpoint", context.credentials.endpoint)
    return context.credentials.endpoint


def _open(cipher: Cipher, sealed: str) -> bytes:
    try:
        return cipher.open(sealed)
    except CipherBroken as error:
        raise RailAnswerUnreadable(f"the message cannot be opened: {error}") from error


def _result(phase: str, payout: Payout, values: Mapping[str, str]) -> Result:
    amount = values.get("Amount")
    said = Said(
        code=values.get("ResponseCode") or None,
        reference=values.get("SessionID") or None,
        amount=parse_amount(amount, rules.CURRENCY) if amount else None,
        account=values.get("BeneficiaryAccountNumber") or None,
        message=words(values.get("ResponseMessage")),
    )
    return rules.result_of(phase, payout.our_ref, said, rules.redact(values))
