"""Authority to collect as a Hasura engine asks for it and is told of it."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from omniroute.api.actions_form import Camel, MalformedAction, row_id
from omniroute.api.actions_payments import AccountDetails, amount_of, payee_of
from omniroute.api.atc_grants_shapes import CommissionKind, HowOften, Means, Narrowing, Scope
from omniroute.api.payments_shapes import payee_in
from omniroute.api.shapes import Instant
from omniroute.kit import ids
from omniroute.kit.currency import exponent
from omniroute.kit.money import decimal_text
from omniroute.money.atc import (
    CollectionType,
    Commission,
    CommissionTier,
    CommissionType,
    CreateGrant,
    Frequency,
    Grant,
    ScopeConfig,
    ScopeKind,
    ScopeType,
    SettlementTerms,
)
from omniroute.parties.partners import Partner
from omniroute.ports.rails import Party, PartyKind

_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,10})?")


class ScopeInput(Camel, kw_only=True):
    """What is collected for must be one of these."""

    scope_type: Narrowing
    scope_values: list[str]


class TierInput(Camel, kw_only=True):
    """The rate of collections of this size, a percentage."""

    tier_number: int | None = None
    min_amount: Any
    max_amount: Any = None
    commission_rate: Any


class CreateGrantInput(Camel, kw_only=True):
    """A grant to write. Amounts in major units, rates as percentages."""

    grantor_id: str
    grantee_id: str
    grantor_type: str | None = None
    grantee_type: str | None = None
    scope: Scope
    scope_config: list[ScopeInput] | None = None
    collection_type: Means
    currency: str
    max_amount: Any = None
    cumulative_limit: Any = None
    commission_type: CommissionKind
    commission_rate: Any = None
    commission_flat: Any = None
    min_commission: Any = None
    max_commission: Any = None
    commission_tiers: list[TierInput] | None = None
    settlement_frequency: HowOften
    settlement_day: int | None = None
    settlement_delay_days: int | None = None
    settlement_account: AccountDetails | None = None
    effective_from: str | None = None
    effective_to: str | None = None
    parent_atc_id: str | None = None
    reference: str | None = None
    terms_document_url: str | None = None
    draft: bool | None = None


def _instant(field: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return msgspec.convert(text, Instant)
    except msgspec.ValidationError:
        raise MalformedAction(f"{field}: an instant with its offset, such as 2026-12-01T00:00:00Z") from None


def _minor(amount: object, currency: str) -> int | None:
    return None if amount is None else amount_of(amount, None, currency)


def _ppm(field: str, percent: object) -> int:
    """Parts per million of a percentage, exactly."""
    text = str(percent)
    if isinstance(percent, bool) or not _PERCENT.fullmatch(text):
        raise MalformedAction(f"{field}: a percentage such as 2.5")
    parts = Decimal(text) * 10_000
    if parts != int(parts):
        raise MalformedAction(f"{field}: a percentage has at most four decimals")
    return int(parts)


def _account(details: AccountDetails | None, currency: str) -> Party | None:
    return None if details is None else payee_in(payee_of(details), currency)


def grant_asked(asked: CreateGrantInput) -> CreateGrant:
    """A grant as the service takes it.

    Raises: MalformedAction, MalformedId, MalformedAmount, UnknownCurrency, and what institutions refuse of a payee.
    """
    currency = asked.currency
    tiers = [
        CommissionTier(
            number,
            amount_of(one.min_amount, None, currency),
            _minor(one.max_amount, currency),
            _ppm("commissionTiers", one.commission_rate),
        )
        for number, one in enumerate(asked.commission_tiers or (), 1)
    ]
    return CreateGrant(
        grantor_id=row_id("ptn", asked.grantor_id, "grantorId"),
        grantee_id=row_id("ptn", asked.grantee_id, "granteeId"),
        scope=ScopeKind(asked.scope),
        collection_type=CollectionType(asked.collection_type),
        currency=currency,
        commission=Commission(
            CommissionType(asked.commission_type),
            0 if asked.commission_rate is None else _ppm("commissionRate", asked.commission_rate),
            _minor(asked.commission_flat, currency) or 0,
            _minor(asked.min_commission, currency),
            _minor(asked.max_commission, currency),
            tuple(tiers),
        ),
        settlement=SettlementTerms(
            Frequency(asked.settlement_frequency),
            asked.settlement_day,
            asked.settlement_delay_days or 0,
            _account(asked.settlement_account, currency),
        ),
        scopes=tuple(
            ScopeConfig(ScopeType(one.scope_type), tuple(one.scope_values)) for one in asked.scope_config or ()
        ),
        max_amount_minor=_minor(asked.max_amount, currency),
        cumulative_limit_minor=_minor(asked.cumulative_limit, currency),
        effective_from=_instant("effectiveFrom", asked.effective_from),
        effective_to=_instant("effectiveTo", asked.effective_to),
        parent_id=None if asked.parent_atc_id is None else row_id("atc", asked.parent_atc_id, "parentAtcId"),
        reference=asked.reference,
        terms_document_url=asked.terms_document_url,
        is_draft=asked.draft or False,
    )


def _number(text: str) -> Any:
    """A decimal as a JSON number with all its digits, as rows have them."""
    return msgspec.Raw(text.encode())


def grant_told(grant: Grant, grantor: Partner, grantee: Partner, collected_minor: int | None) -> dict[str, Any]:
    """A grant as the brief's ATCGrant. Names of several words are there twice, as in the rows."""
    decimals = exponent(grant.currency)
    terms, settlement = grant.commission, grant.settlement

    def amount(minor: int | None) -> Any:
        return None if minor is None else _number(decimal_text(minor, decimals))

    is_rated = terms.type in (CommissionType.PERCENTAGE, CommissionType.HYBRID)
    is_flat = terms.type in (CommissionType.FLAT_FEE, CommissionType.HYBRID)
    told: dict[str, Any] = {
        "id": str(grant.grant_id), "reference": grant.reference, "status": grant.status.value.upper(),
        "status_reason": grant.status_reason,
        "grantor_id": str(grantor.partner_id), "grantor_type": grantor.kind.value, "grantor_name": grantor.name,
        "grantee_id": str(grantee.partner_id), "grantee_type": grantee.kind.value, "grantee_name": grantee.name,
        "scope": grant.scope.value, "collection_type": grant.collection_type.value, "currency": grant.currency,
        "max_amount": amount(grant.max_amount_minor), "cumulative_limit": amount(grant.cumulative_limit_minor),
        "cumulative_collected": amount(collected_minor), "commission_type": terms.type.value,
        "commission_rate": _number(decimal_text(terms.rate_ppm, 4)) if is_rated else None,
        "commission_flat": amount(terms.flat_minor) if is_flat else None,
        "min_commission": amount(terms.min_minor), "max_commission": amount(terms.max_minor),
        "settlement_frequency": settlement.frequency.value, "settlement_day": settlement.day,
        "settlement_delay_days": settlement.delay_days, "settlement_account": _details(settlement.account),
        "effective_from": grant.effective_from, "effective_to": grant.effective_to,
        "parent_atc_id": None if grant.parent_id is None else str(grant.parent_id),
        "terms_document_url": grant.terms_document_url, "approved_by": _person(grant.approved_by),
        "approved_at": grant.approved_at, "created_at": grant.created_at, "updated_at": grant.updated_at,
    }  # fmt: skip
    return told | {_camel(name): value for name, value in told.items()}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _person(shown: str | None) -> str | None:
    """The UUID of who approved."""
    return None if shown is None else str(ids.parse(shown.partition("_")[0], shown))


def _details(account: Party | None) -> dict[str, Any] | None:
    """An account as rows tell it."""
    if account is None:
        return None
    kind = account.kind
    found = {
        "accountCode": account.identifier if kind is PartyKind.LEDGER else None,
        "accountNumber": account.identifier if kind not in (PartyKind.LEDGER, PartyKind.MSISDN) else None,
        "phone": account.identifier if kind is PartyKind.MSISDN else None,
        "bankCode": account.institution if kind is PartyKind.BANK_ACCOUNT else None,
        "provider": account.institution if kind not in (PartyKind.BANK_ACCOUNT, PartyKind.LEDGER) else None,
        "accountName": account.name,
        "country": account.country,
        "bill": account.account,
    }
    return {name: value for name, value in found.items() if value is not None}
