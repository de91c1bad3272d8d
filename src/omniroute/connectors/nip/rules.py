"""What both forms of NIP share: what they carry, how long to wait, how to name an order, what a code means."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha256
from importlib import resources
from typing import Self
from uuid import UUID

from omniroute.connectors import replies
from omniroute.kit.money import Money
from omniroute.kit.refusal import Fault
from omniroute.ports.rails import (
    Answer,
    Capabilities,
    CodeTable,
    Credentials,
    Duplicates,
    Holder,
    NotSent,
    Operation,
    Outcome,
    Party,
    PartyKind,
    Payout,
    RailPolicy,
    RailUnable,
    Result,
)

CURRENCY = "NGN"
LAGOS = timezone(timedelta(hours=1))
"""Nigeria keeps one offset all year, and has since 1919."""

AMOUNT_MIN_MINOR = 100
AMOUNT_MAX_MINOR = 1_000_000_000
"""From EasyPay's own pages: 1 to 10,000,000 naira a transfer. Banks set lower limits; those are the connection's."""

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 45

QUERY_SPACING = timedelta(seconds=60)
QUERY_WINDOW = timedelta(hours=24)

POLICY = RailPolicy(
    # Three status queries; from the fourth on `query` looks into the settlement report.
    query_after=(QUERY_SPACING, QUERY_SPACING, QUERY_SPACING, timedelta(hours=25), timedelta(hours=12)),
    query_for=timedelta(days=4),
    not_found_times=3,
    not_found_after=QUERY_WINDOW,
    not_found_needs_statement=True,
    duplicates=Duplicates.PAYS_AGAIN,  # It answers 26 or 94, but nobody promises for how long: never send again.
    connect_timeout_s=CONNECT_TIMEOUT_S,
    read_timeout_s=READ_TIMEOUT_S,
    amount_min_minor={CURRENCY: AMOUNT_MIN_MINOR},
    amount_max_minor={CURRENCY: AMOUNT_MAX_MINOR},
)
"""At most three status queries, a minute apart; then the settlement report, for three days; then a person."""

OPERATIONS = frozenset(
    {Operation.PAYOUT, Operation.NAME_ENQUIRY, Operation.QUERY, Operation.BALANCE, Operation.STATEMENT}
)

_SIX_DIGITS = re.compile(r"\d{6}", re.ASCII)
_ACCOUNT = re.compile(r"\d{10}", re.ASCII)
_TABLES = resources.files("omniroute.connectors.nip").joinpath("codes.json").read_bytes()
CODES: Mapping[str, CodeTable] = {phase: CodeTable.parse(_TABLES, phase) for phase in ("submit", "query", "enquiry")}


class EnquiryUnanswered(Fault):
    """NIP was asked and did not tell; nothing moved. Ask again later, with a fresh reference."""


class ServerFailed(Fault):
    """NIP answered with an HTTP status that is no answer. It proves nothing about the money."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"NIP answered with HTTP {status}")


def capabilities(*more: Operation) -> Capabilities:
    """What NIP does in both forms, and what one form does besides."""
    return Capabilities(
        operations=OPERATIONS | frozenset(more),
        currencies=frozenset({CURRENCY}),
        countries=frozenset({"NG"}),
        payee_kinds=frozenset({PartyKind.BANK_ACCOUNT}),
    )


def check(payout: Payout) -> None:
    """Raises: RailUnable for what NIP cannot carry."""
    amount = payout.amount
    if amount.currency != CURRENCY:
        raise RailUnable("NIP carries naira only", currency=amount.currency)
    if not AMOUNT_MIN_MINOR <= amount.amount_minor <= AMOUNT_MAX_MINOR:
        raise RailUnable(
            "NIP carries 1 to 10,000,000 naira in one transfer",
            amount_minor=amount.amount_minor, min_minor=AMOUNT_MIN_MINOR, max_minor=AMOUNT_MAX_MINOR,
        )  # fmt: skip
    check_account(payout.payee)


def check_account(party: Party) -> None:
    """Raises: RailUnable when this is not a bank account as NIP knows them."""
    if party.kind is not PartyKind.BANK_ACCOUNT:
        raise RailUnable("NIP pays bank accounts only", kind=party.kind)
    if _ACCOUNT.fullmatch(party.identifier) is None:
        raise RailUnable("an account number of NIP has ten digits", account=party.identifier[-4:])
    if _SIX_DIGITS.fullmatch(party.institution or "") is None:
        raise RailUnable("an institution code of NIP has six digits", institution=str(party.institution)[:12])


def build_reference(context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str:
    """30 digits: institution, yyMMddHHmmss in Lagos, 12 digits of the attempt.

    Two attempts of one institution in one second meet with a chance of one in 10^12; the store is unique by it.
    """
    institution = context_public.get("institution_code", "")
    if _SIX_DIGITS.fullmatch(institution) is None:
        raise RailUnable("the connection has no institution code of six digits")
    number = int.from_bytes(sha256(b"nip" + attempt_id.bytes).digest()) % 10**12
    return f"{institution}{created_at.astimezone(LAGOS):%y%m%d%H%M%S}{number:012d}"


@dataclass(frozen=True, slots=True)
class Profile:
    """Who we are on NIP: the settings of a connection that both forms need."""

    institution: str
    channel: str
    location: str
    name: str
    account: str
    kyc_level: str
    bvn: str
    account_institution: str
    authorization: str

    @classmethod
    def of(cls, credentials: Credentials) -> Self:
        """Raises: NotSent when a setting is missing."""
        public, secret = credentials.public, credentials.secret
        wanted = ("institution_code", "originator_name", "originator_account")
        missing = [name for name in wanted if not public.get(name)]
        if missing:
            raise NotSent(f"the connection lacks {', '.join(missing)}; nothing was sent")
        return cls(
            institution=public["institution_code"],
            channel=public.get("channel_code", "7"),  # Third-party payment platform.
            location=public.get("transaction_location", ""),
            name=public["originator_name"],
            account=public["originator_account"],
            kyc_level=public.get("originator_kyc_level", "1"),
            bvn=secret.get("originator_bvn", ""),
            account_institution=public.get("account_institution_code", public["institution_code"]),
            authorization=secret.get("authorization_code", ""),
        )


def ready_to_send(payout: Payout) -> Holder:
    """The answer to the name enquiry that a transfer needs.

    Raises: NotSent when the order cannot go out as it is.
    """
    try:
        check(payout)
    except RailUnable as refused:
        raise NotSent(f"{refused.detail}; nothing was sent") from refused
    holder = payout.holder
    if holder is None or not holder.enquiry_ref or not holder.name:
        raise NotSent("NIP wants a name enquiry before a transfer; nothing was sent")
    if (holder.party.identifier, holder.party.institution) != (payout.payee.identifier, payout.payee.institution):
        raise NotSent("the name enquiry was about another account; nothing was sent")
    return holder


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer about an order says, in whichever form it came. None: not said."""

    code: str | None
    reference: str | None = None
    provider_ref: str | None = None
    amount: Money | None = None
    account: str | None = None
    message: str | None = None


def result_of(phase: str, asked: str, said: Said, raw: Mapping[str, str]) -> Result:
    """What an answer means for the order `asked`.

    A definite answer must name the order. One that names none is unknown; so is a refusal that names another. A
    success under another name goes on as it is: the core sees the difference and calls a person.
    """
    entry = CODES[phase].find(said.code)
    outcome, message = entry.outcome, said.message
    if outcome is not Outcome.UNKNOWN and said.reference is None:
        outcome, message = Outcome.UNKNOWN, "the answer does not name the order"
    elif outcome not in (Outcome.UNKNOWN, Outcome.SUCCEEDED) and said.reference != asked:
        outcome, message = Outcome.UNKNOWN, "the answer names another order"
    return Result(
        outcome=outcome,
        answer=Answer(said.code, message, raw),
        provider_ref=said.provider_ref,
        our_ref=said.reference,
        amount=said.amount,
        payee_identifier=said.account,
    )


def unknown_by(failed: ServerFailed) -> Result:
    """The result of an order whose answer was an HTTP status."""
    return Result(Outcome.UNKNOWN, Answer(None, str(failed), {"status": failed.status}))


def holder_of(party: Party, code: str | None, *, name: str, enquiry_ref: str, kyc_level: str, bvn: str) -> Holder:
    """Whose account it is, from the answer to an enquiry.

    Raises: RailUnable when there is no such account; EnquiryUnanswered when NIP did not tell.
    """
    entry = CODES["enquiry"].find(code)
    if entry.outcome is Outcome.SUCCEEDED and name and enquiry_ref:
        details = {"bank_verification_number": bvn} if bvn else {}
        return Holder(party, name, True, enquiry_ref, kyc_level or None, details)
    if entry.code == "06":
        return Holder(party, name or None, False)
    if entry.outcome is Outcome.DECLINED:
        raise RailUnable(entry.operator, code=entry.code, institution=party.institution)
    raise EnquiryUnanswered(f"NIP answered the name enquiry with {code!r}: {entry.operator}")


def check_enquiry(code: str | None) -> None:
    """Raises: EnquiryUnanswered when the code of an answer is not that of success."""
    entry = CODES["enquiry"].find(code)
    if entry.outcome is not Outcome.SUCCEEDED:
        raise EnquiryUnanswered(f"NIP answered with {code!r}: {entry.operator}")


def beneficiary(payout: Payout, holder: Holder) -> tuple[str, str, str, str]:
    """Name, account, BVN and KYC level of the payee as the enquiry told them."""
    bvn = holder.details.get("bank_verification_number", "")
    return holder.name or "", payout.payee.identifier, bvn, holder.kyc_level or "1"


def originator(payout: Payout, profile: Profile) -> tuple[str, str, str, str]:
    """Name, account, BVN and KYC level of the payer: the order's own, else the connection's."""
    payer = payout.payer
    if payer is not None and payer.kind is PartyKind.BANK_ACCOUNT and payer.name:
        return payer.name, payer.identifier, "", profile.kyc_level
    return profile.name, profile.account, profile.bvn, profile.kyc_level


_SHOWN = frozenset(
    {
        *("sessionid", "transactionid", "nameenquiryref", "destinationinstitutioncode", "sourceinstitutioncode"),
        *("channelcode", "beneficiarykyclevel", "kyclevel", "amount", "responsecode", "responsemessage"),
    }
)
_MASKED = frozenset({"beneficiaryaccountnumber", "accountnumber", "targetaccountnumber"})
_CUT = frozenset({"beneficiaryaccountname", "accountname"})


def redact(values: Mapping[str, object]) -> dict[str, str]:
    """What of an answer may be stored and shown: known harmless fields, numbers and names cut; nothing else."""
    shown: dict[str, str] = {}
    for name, value in values.items():
        text = replies.message(str(value) if isinstance(value, Decimal) else value)
        key = name.casefold()
        if text is None:
            continue
        if key in _SHOWN:
            shown[name] = text
        elif key in _MASKED:
            shown[name] = f"...{text[-3:]}"
        elif key in _CUT:
            shown[name] = " ".join(f"{word[:1]}." for word in text.split()[:4])
    return shown
