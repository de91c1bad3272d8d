"""The bytes of Monnify's collections: what we write, and what its answers and notifications mean."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from omniroute.connectors.replies import amount, masked, message, part, plain, read_object, text
from omniroute.infra.http import Reply
from omniroute.kit.money import Money
from omniroute.ports.rails import (
    AccountWanted,
    CodeTable,
    Credit,
    IssuedAccount,
    Outcome,
    Party,
    PartyKind,
    RailAnswerUnreadable,
    StatementLine,
)

LAGOS = timezone(timedelta(hours=1))
"""Times without a zone are Nigeria's, which knows no summer time."""
RESERVED_ACCOUNT = "RESERVED_ACCOUNT"
NAME_MIN, NAME_MAX = 3, 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SUCCESS = frozenset({"0", "00"})
_FINAL = frozenset({400, 403, 404, 409, 422})
_LATER = re.compile(r"try again later|too many|time[d -]*out|unavailable", re.IGNORECASE)
_NO_ACCOUNT = re.compile(r"reserved account.*not found|cannot find reserved account", re.IGNORECASE)
_NO_TRANSACTION = re.compile(
    r"no transaction matching|could not find transaction|invalid transaction reference", re.IGNORECASE
)
_DAY_FIRST = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4}),? (\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,6})\d*)?(?: ?([AP]M))?", re.ASCII
)


def sign(secret: str, body: bytes) -> str:
    """What the header `monnify-signature` carries over these bytes."""
    return hmac.new(secret.encode(), body, hashlib.sha512).hexdigest()


def is_signed(secret: str, body: bytes, signature: str | None) -> bool:
    """Whether the bytes carry the signature that only Monnify and we can make. Without a secret nothing does."""
    given = (signature or "").strip().lower()
    return bool(secret) and hmac.compare_digest(sign(secret, body).encode(), given.encode())


# -- envelopes ------------------------------------------------------------------------------------------------------


def read_body(reply: Reply) -> dict[str, Any] | None:
    """What a good answer holds; None when it is not one."""
    data = read_object(reply.body) or {}
    good = data.get("requestSuccessful") is True and text(data.get("responseCode")) in _SUCCESS
    body = data.get("responseBody")
    return body if reply.status == 200 and good and isinstance(body, dict) else None


def read_refusal(reply: Reply) -> str | None:
    """Why Monnify itself said no for good; None when it did not, wants to be asked again, or did not answer itself."""
    data = read_object(reply.body) or {}
    if data.get("requestSuccessful") is not False or reply.status not in _FINAL:
        return None
    said = message(data.get("responseMessage")) or f"Monnify refused (HTTP {reply.status})"
    return None if _LATER.search(said) else said


def is_missing_account(reply: Reply) -> bool:
    """Whether Monnify says that no account has this name."""
    return _NO_ACCOUNT.search(read_refusal(reply) or "") is not None


def is_missing_transaction(reply: Reply) -> bool:
    """Whether Monnify says that it knows no such transaction."""
    return _NO_TRANSACTION.search(read_refusal(reply) or "") is not None


def unreadable(what: str, reply: Reply) -> RailAnswerUnreadable:
    """For what is no answer to what we asked."""
    said = read_refusal(reply)
    return RailAnswerUnreadable(f"Monnify did not tell {what} (HTTP {reply.status}{f': {said}' if said else ''})")


# -- accounts -------------------------------------------------------------------------------------------------------


def account_body(wanted: AccountWanted, contract_code: str, bank: str | None, identity: Mapping[str, str]) -> bytes:
    """The order for an account; `identity`: the BVN or NIN that the contract asks for."""
    body: dict[str, Any] = {
        "accountReference": wanted.our_ref,
        "accountName": plain(wanted.account_name, NAME_MAX),
        "currencyCode": wanted.currency,
        "contractCode": contract_code,
        "customerEmail": wanted.customer_email,
        "customerName": plain(wanted.customer_name, NAME_MAX),
        **identity,
        "getAllAvailableBanks": bank is None,
    }
    if bank is not None:
        body["preferredBanks"] = [bank]
    return json.dumps(body, separators=(",", ":")).encode()


def read_account(data: Mapping[str, Any], our_ref: str, bank: str | None) -> IssuedAccount | None:
    """The account in an answer about this name of ours, at `bank` where there are several; None when there is none."""
    currency = text(data.get("currencyCode"))
    listed = [found for each in _accounts(data) if (found := _numbers(each)) is not None]
    chosen = [found for found in listed if found[0] == bank] or sorted(listed)
    if text(data.get("accountReference")) != our_ref or currency is None or not chosen:
        return None
    bank_code, number, bank_name, name = chosen[0]
    return IssuedAccount(
        our_ref=our_ref,
        provider_ref=text(data.get("reservationReference")) or our_ref,
        account_number=number,
        bank_code=bank_code,
        bank_name=bank_name,
        account_name=name or text(data.get("accountName")) or "",
        currency=currency,
        active=text(data.get("status")) == "ACTIVE",
    )


def right(found: IssuedAccount, wanted: AccountWanted) -> IssuedAccount:
    """Raises: RailAnswerUnreadable when it is another account than was wanted."""
    if found.currency != wanted.currency:
        raise RailAnswerUnreadable(f"Monnify has an account in {found.currency} under this name")
    return found


def _accounts(data: Mapping[str, Any]) -> Sequence[Any]:
    """The list of version 2, or the one account of version 1."""
    found = data.get("accounts")
    return found if isinstance(found, list) else [data]


def _numbers(data: object) -> tuple[str, str, str, str] | None:
    if not isinstance(data, dict):
        return None
    bank, number = text(data.get("bankCode")), text(data.get("accountNumber"))
    if bank is None or number is None or not (number.isascii() and number.isdecimal()):
        return None
    return bank, number, text(data.get("bankName")) or "", text(data.get("accountName")) or ""


# -- credits --------------------------------------------------------------------------------------------------------


def is_of_an_account(data: Mapping[str, Any]) -> bool:
    """Whether a transaction is money on an account number, and not a card, a checkout or an agent."""
    return text(part(data, "product").get("type")) == RESERVED_ACCOUNT


def read_credit(data: Mapping[str, Any], table: CodeTable, *, paid_at: datetime | None = None) -> Credit:
    """A transaction on an account number. `paid_at`: when it was paid, if that cannot be read.

    Raises: RailAnswerUnreadable.
    """
    credit_id, our_ref = text(data.get("transactionReference")), text(part(data, "product").get("reference"))
    currency = data.get("currency") or data.get("currencyCode")
    paid, at = amount(data.get("amountPaid"), currency), read_time(data.get("paidOn")) or paid_at
    settled = table.find(text(data.get("paymentStatus"))).outcome is Outcome.SUCCEEDED
    if credit_id is None or our_ref is None or paid is None or at is None:
        raise RailAnswerUnreadable("a transaction without reference, account, exact amount or time")
    if paid.amount_minor < 0 or (settled and paid.amount_minor == 0):
        raise RailAnswerUnreadable("a transaction of nothing, or of less")
    source = _source(data)
    return Credit(
        credit_id=credit_id,
        our_ref=our_ref,
        amount=paid,
        fee=_fee(data, paid) if settled else None,
        paid_at=at,
        account_number=text(part(data, "destinationAccountInformation").get("accountNumber")),
        payer=_payer(source),
        session_id=text(source.get("sessionId")),
        narration=message(data.get("paymentDescription")) or "",
        settled=settled,
    )


def _fee(data: Mapping[str, Any], paid: Money) -> Money | None:
    """What Monnify keeps; None where it does not say. Raises: RailAnswerUnreadable."""
    said = data.get("settlementAmount")
    if said is None or said == "":
        return None
    settled = amount(said, paid.currency)
    if settled is None or not 0 <= settled.amount_minor <= paid.amount_minor:
        raise RailAnswerUnreadable("what is settled is no exact amount, or more than was paid")
    return paid - settled


def _source(data: Mapping[str, Any]) -> dict[str, Any]:
    """Whom the money came from. Notifications have a list, answers a list or one; the first counts."""
    for name in ("paymentSourceInformation", "accountPayments", "accountDetails"):
        found = data.get(name)
        first = found[0] if isinstance(found, list) and found else found
        if isinstance(first, dict) and first:
            return first
    return {}


def _payer(source: Mapping[str, Any]) -> Party | None:
    number = text(source.get("accountNumber"))
    if number is None:
        return None
    bank, name = text(source.get("bankCode")), message(source.get("accountName"))
    return Party(PartyKind.BANK_ACCOUNT, number, bank, name, "NG")


def read_line(listed: object, table: CodeTable) -> StatementLine | None:
    """What one line of the search moved on our account; None when nothing. Raises: RailAnswerUnreadable."""
    data = listed if isinstance(listed, dict) else {}
    if table.find(text(data.get("paymentStatus"))).outcome is not Outcome.SUCCEEDED:
        return None
    reference, at = text(data.get("transactionReference")), read_time(data.get("completedOn"))
    currency = data.get("currencyCode") or data.get("currency")
    paid, fee = amount(data.get("amountPaid"), currency), amount(data.get("fee"), currency)
    if reference is None or at is None or paid is None or fee is None or not 0 <= fee.amount_minor <= paid.amount_minor:
        raise RailAnswerUnreadable("a line of the search without reference, time, exact amount or fee")
    if paid == fee:
        return None
    narration = message(data.get("paymentDescription")) or ""
    return StatementLine(reference, at, paid - fee, True, None, reference, narration)


def raw_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept as evidence: no names, account numbers cut."""
    kept = {
        name: message(data.get(name))
        for name in ("transactionReference", "paymentStatus", "amountPaid", "settlementAmount", "currency", "paidOn")
    }
    source = _source(data)
    shown = {
        **kept,
        "account": text(part(data, "product").get("reference")),
        "session": text(source.get("sessionId")),
        "payer": masked(text(source.get("accountNumber"))),
    }
    return {name: value for name, value in shown.items() if value is not None}


# -- times ----------------------------------------------------------------------------------------------------------


def read_time(value: object) -> datetime | None:
    """An instant in UTC, from any of the ways in which Monnify writes one; None when it is none."""
    written = text(value) or ""
    found = _DAY_FIRST.fullmatch(written)
    try:
        at = datetime.fromisoformat(written) if found is None else _day_first(found)
        return at.replace(tzinfo=at.tzinfo or LAGOS).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _day_first(found: re.Match[str]) -> datetime:
    day, month, year, hour, minute, second = (int(found[number]) for number in range(1, 7))
    if found[8] is not None:
        if not 1 <= hour <= 12:
            raise ValueError("no hour of twelve")
        hour = hour % 12 + (12 if found[8] == "PM" else 0)
    return datetime(year, month, day, hour, minute, second, int((found[7] or "0").ljust(6, "0")), LAGOS)


def milliseconds(at: datetime) -> int:
    """An instant as the search for transactions takes it."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def position(cursor: str) -> tuple[int, int]:
    """Where the search ends, and the page of it. Raises: RailAnswerUnreadable."""
    until, _, page = cursor.partition(":")
    if not (until.isdecimal() and page.isdecimal()):
        raise RailAnswerUnreadable("that is no cursor of ours")
    return int(until), int(page)
