"""The form of a collection: what can be refused without asking anybody."""

import re

from omniroute.kit.money import MINOR_MAX
from omniroute.money.atc.collections_errors import MalformedCollection
from omniroute.money.atc.collections_model import GeoPoint, RecordCollection
from omniroute.money.atc.model import CollectionType, ScopeType

NOTES_MAX = 1_000
PAYMENT_REFERENCE_MAX = 128
FACTS_MAX = 100
FACT_LENGTH_MAX = 200
PLACES_MAX = 6
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}", re.ASCII)


def check_collection(command: RecordCollection) -> None:
    """Refuse what can never be recorded.

    Raises: MalformedCollection.
    """
    if not _REFERENCE.fullmatch(command.reference):
        raise MalformedCollection(
            "reference: 1 to 64 letters, digits and . _ : / -, the first a letter or digit", field="reference"
        )
    if not 1 <= command.amount_minor <= MINOR_MAX:
        raise MalformedCollection("amount: more than nothing", field="amount")
    if command.method is CollectionType.ALL_METHODS:
        raise MalformedCollection("collection_method: one of them", field="collection_method")
    _check_text("payment_reference", command.payment_reference, 1, PAYMENT_REFERENCE_MAX)
    _check_text("notes", command.notes, 0, NOTES_MAX)
    if command.point is not None:
        _check_point(command.point)
    for kind, values in command.facts:
        if kind is ScopeType.CUSTOMER_ID:
            raise MalformedCollection("the customer is who pays: collected_from_id", field="collected_from_id")
        if len(values) > FACTS_MAX or not all(1 <= len(one) <= FACT_LENGTH_MAX and one.isprintable() for one in values):
            raise MalformedCollection(f"{kind.value.lower()}: up to {FACTS_MAX} texts", field=kind.value.lower())


def _check_text(field: str, text: str | None, least: int, most: int) -> None:
    if text is not None and (not least <= len(text) <= most or "\x00" in text):
        raise MalformedCollection(f"{field}: {least} to {most} characters", field=field)


def _check_point(point: GeoPoint) -> None:
    for field, degrees, most in (("latitude", point.latitude, 90), ("longitude", point.longitude, 180)):
        if not degrees.is_finite() or abs(degrees) > most or degrees != round(degrees, PLACES_MAX):
            raise MalformedCollection(
                f"{field}: -{most} to {most} degrees, at most {PLACES_MAX} digits behind the point", field=field
            )
