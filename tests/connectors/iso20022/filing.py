"""Makers of orders and files, and the published schemas."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import xmlschema

from omniroute.connectors.neft import NeftConnector
from omniroute.connectors.rtgs import RtgsConnector
from omniroute.kit.money import Money
from omniroute.ports.rails import Credentials, Party, PartyKind, Payout
from tests.connectors.outside import spec

NOW = datetime(2026, 3, 2, 9, 30, 15, 123456, UTC)
NEFT, RTGS = NeftConnector(), RtgsConnector()
PUBLIC = {"debtor_name": "Acme Foods & Söhne", "account": "0102030405", "bank": "000014", "party_id": "ACME-7"}
CREDENTIALS = Credentials(UUID(int=1), UUID(int=2), "folder:", PUBLIC, {"token": "SECRET-TOKEN"})
FILE_ID = UUID("01990000-0000-7000-8000-00000000f11e")
_numbers = itertools.count(1)


def payee(**changes: Any) -> Party:
    fields: dict[str, Any] = {"institution": "000013", "name": "Ọlá Adébáyọ̀ <Ltd> & Co", "country": "NG"}
    return Party(PartyKind.BANK_ACCOUNT, changes.pop("identifier", "0123456789"), **{**fields, **changes})


def order(connector: Any = NEFT, minor: int = 1_234_56, *, number: int | None = None, **changes: Any) -> Payout:
    number = number or next(_numbers)
    reference = connector.build_reference({}, UUID(int=0x0199 << 112 | number), NOW)
    fields: dict[str, Any] = {
        "payee": payee(),
        "narration": "Wages: March/2026 «déjà vu» €5 & more",
        "purpose": "WORKER_PAYOUT",
        "payment_reference": f"WAGES-{number}",
        "created_at": NOW,
    }
    amount = changes.pop("amount", None) or Money(minor, "NGN")
    return Payout(reference, amount, **{**fields, **changes})


def write(connector: Any, orders: Sequence[Payout], **public: str) -> bytes:
    credentials = Credentials(UUID(int=1), UUID(int=2), "folder:", {**PUBLIC, **public}, {})
    content: bytes = connector.build_file(credentials, orders, now=NOW, file_id=FILE_ID).content
    return content


@cache
def schema(message: str) -> xmlschema.XMLSchema:
    """The schema of a message; the test is skipped, and fails in CI, when the specifications are not here."""
    return xmlschema.XMLSchema(str(spec("iso20022") / "xsd" / f"{message}.xsd"))


def validate(content: bytes, message: str) -> None:
    """Raises: XMLSchemaValidationError."""
    schema(message).validate(content.decode())
