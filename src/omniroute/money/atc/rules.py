"""Decisions about grants, as pure functions: terms that hold together, and a child that lies within its parent."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from omniroute.kit.currency import exponent
from omniroute.kit.money import MINOR_MAX
from omniroute.money.atc.commission import RATE_UNIT, Commission, CommissionTier, CommissionType
from omniroute.money.atc.errors import BeyondParent, MalformedGrant
from omniroute.money.atc.model import (
    DAYS,
    DELAY_DAYS_MAX,
    DEPTH_MAX,
    REFERENCE_MAX,
    TIERS_MAX,
    CreateGrant,
    Grant,
    SettlementTerms,
)
from omniroute.money.atc.scopes import clean_scopes, covers_method, is_within

URL_LENGTH_MAX = 2_000
_REFERENCE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:/-]{{0,{REFERENCE_MAX - 1}}}", re.ASCII)
_URL = re.compile(r"https?://[^\s]+", re.ASCII)
_RATED = (CommissionType.PERCENTAGE, CommissionType.HYBRID)
_FLAT = (CommissionType.FLAT_FEE, CommissionType.HYBRID)


def clean_grant(command: CreateGrant) -> CreateGrant:
    """The grant in its normal form.

    Raises: MalformedGrant, UnknownCurrency.
    """
    exponent(command.currency)
    if command.grantor_id == command.grantee_id:
        raise MalformedGrant("grantee_id: another partner than the grantor", field="grantee_id")
    if command.reference is not None and not _REFERENCE.fullmatch(command.reference):
        raise MalformedGrant(f"reference: 1 to {REFERENCE_MAX} letters, digits and . _ : / -", field="reference")
    url = command.terms_document_url
    if url is not None and (len(url) > URL_LENGTH_MAX or not _URL.fullmatch(url)):
        raise MalformedGrant("terms_document_url: an address that begins with https://", field="terms_document_url")
    _check_amount("max_amount", command.max_amount_minor, 1)
    _check_amount("cumulative_limit", command.cumulative_limit_minor, 1)
    return replace(
        command,
        scopes=clean_scopes(command.scope, command.scopes),
        commission=clean_commission(command.commission),
        settlement=clean_settlement(command.settlement),
    )


def clean_commission(terms: Commission) -> Commission:
    """A commission that says what its type needs, and nothing else; tiers numbered from the lowest.

    Raises: MalformedGrant.
    """
    if terms.type in _RATED:
        _check_rate("commission_rate", terms.rate_ppm)
    elif terms.rate_ppm:
        raise MalformedGrant(f"commission_rate: not with {terms.type}", field="commission_rate")
    _check_amount("commission_flat", terms.flat_minor, 0)
    if terms.flat_minor and terms.type not in _FLAT:
        raise MalformedGrant(f"commission_flat: not with {terms.type}", field="commission_flat")
    _check_amount("min_commission", terms.min_minor, 0)
    _check_amount("max_commission", terms.max_minor, 0)
    if terms.min_minor is not None and terms.max_minor is not None and terms.min_minor > terms.max_minor:
        raise MalformedGrant("min_commission: not above max_commission", field="min_commission")
    if (terms.type is CommissionType.TIERED_PERCENTAGE) != bool(terms.tiers):
        raise MalformedGrant("commission_tiers: with TIERED_PERCENTAGE, and only with it", field="commission_tiers")
    return replace(terms, tiers=clean_tiers(terms.tiers))


def clean_tiers(tiers: Sequence[CommissionTier]) -> tuple[CommissionTier, ...]:
    """Tiers from the lowest to the highest, numbered from 1, that leave no gap and do not overlap.

    The first begins at 0 and the last has no end. A tier begins where the one below ends, or one minor unit above; an
    amount on a border that both name belongs to the lower.

    Raises: MalformedGrant.
    """
    ordered = sorted(tiers, key=lambda tier: tier.min_minor)
    if len(ordered) > TIERS_MAX:
        raise MalformedGrant(f"commission_tiers: at most {TIERS_MAX}", field="commission_tiers")
    below: int | None = None
    for place, tier in enumerate(ordered):
        _check_rate("commission_tiers", tier.rate_ppm)
        _check_amount("commission_tiers", tier.min_minor, 0)
        _check_amount("commission_tiers", tier.max_minor, 1)
        begins = {0} if below is None else {below, below + 1}
        if (place > 0 and below is None) or tier.min_minor not in begins:
            raise MalformedGrant(
                "commission_tiers: the first from 0, each where the one below ends", field="commission_tiers"
            )
        below = tier.max_minor
        if below is not None and below <= tier.min_minor:
            raise MalformedGrant("commission_tiers: max_amount above min_amount", field="commission_tiers")
    if ordered and below is not None:
        raise MalformedGrant("commission_tiers: the last has no max_amount", field="commission_tiers")
    return tuple(replace(tier, tier_number=number) for number, tier in enumerate(ordered, 1))


def clean_settlement(terms: SettlementTerms) -> SettlementTerms:
    """Settlement terms with the day their frequency needs (the first, unless another is named).

    Raises: MalformedGrant.
    """
    last = DAYS.get(terms.frequency)
    if last is None and terms.day is not None:
        raise MalformedGrant(f"settlement_day: not with {terms.frequency}", field="settlement_day")
    if (last is not None and not 1 <= (terms.day or 1) <= last) or terms.day == 0:
        raise MalformedGrant(f"settlement_day: 1 to {last}", field="settlement_day")
    if not 0 <= terms.delay_days <= DELAY_DAYS_MAX:
        raise MalformedGrant(f"settlement_delay_days: 0 to {DELAY_DAYS_MAX}", field="settlement_delay_days")
    return terms if last is None else replace(terms, day=terms.day or 1)


def check_period(start: datetime, end: datetime | None, *, now: datetime) -> None:
    """Refuse a time that is over before it begins. Raises: MalformedGrant."""
    if end is not None and end <= max(start, now):
        raise MalformedGrant("effective_to: after effective_from, and still to come", field="effective_to")


def check_within(child: CreateGrant, start: datetime, parent: Grant, line: Sequence[Grant]) -> None:
    """Refuse to pass on more than was given. `line`: the parent and all above it.

    Raises: BeyondParent.
    """
    if child.grantor_id != parent.grantee_id:
        raise BeyondParent("grantor_id: the grantee of the parent", field="grantor_id")
    parties: set[UUID] = {party for one in line for party in (one.grantor_id, one.grantee_id)}
    if child.grantee_id in parties:
        raise BeyondParent("grantee_id: nobody who is above already", field="grantee_id")
    if len(line) >= DEPTH_MAX:
        raise BeyondParent(f"parent_atc_id: at most {DEPTH_MAX} grants below each other", field="parent_atc_id")
    if child.currency != parent.currency:
        raise BeyondParent(f"currency: {parent.currency}, as the parent", field="currency")
    if not covers_method(parent.collection_type, child.collection_type):
        raise BeyondParent(f"collection_type: {parent.collection_type}, as the parent", field="collection_type")
    if not is_within(child.scopes, parent.scopes):
        raise BeyondParent("scope_config: narrowed as the parent, to values among its own", field="scope_config")
    if start < parent.effective_from:
        raise BeyondParent("effective_from: not before that of the parent", field="effective_from")
    if parent.effective_to is not None and (child.effective_to is None or child.effective_to > parent.effective_to):
        raise BeyondParent("effective_to: not after that of the parent", field="effective_to")
    for field, own, given in (
        ("max_amount", child.max_amount_minor, parent.max_amount_minor),
        ("cumulative_limit", child.cumulative_limit_minor, parent.cumulative_limit_minor),
    ):
        if given is not None and (own is None or own > given):
            raise BeyondParent(f"{field}: not above that of the parent", field=field)


def _check_amount(field: str, amount_minor: int | None, least: int) -> None:
    if amount_minor is not None and not least <= amount_minor <= MINOR_MAX:
        raise MalformedGrant(f"{field}: {least} minor units or more", field=field)


def _check_rate(field: str, rate_ppm: int) -> None:
    if not 0 <= rate_ppm <= RATE_UNIT:
        raise MalformedGrant(f"{field}: rates are from 0 to 100 percent", field=field)
