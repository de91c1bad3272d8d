"""Whether a policy applies to a payment. Pure."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from omniroute.money.institutions import network_of
from omniroute.money.payments import InitiatePayment, Payment
from omniroute.money.policies.model import Initiator, When
from omniroute.ports.rails import Party, PartyKind


@dataclass(slots=True)
class Facts:
    """What policies look at in a payment."""

    amount_minor: int
    currency: str
    type: str
    payee: Party
    country: str | None
    institution: str | None
    source_code: str
    actor: str
    initiator: Initiator
    hour: int


def initiator_of(actor: str) -> Initiator:
    """What kind of caller this is, by the prefix of its id."""
    if actor.startswith("usr_"):
        return Initiator.USER
    return Initiator.API_KEY if actor.startswith("key_") else Initiator.SYSTEM


def facts_of(
    order: InitiatePayment | Payment, *, actor: str, country: str | None, at: datetime, zone: ZoneInfo
) -> Facts:
    """What policies look at in this payment; `country` is where its payee is."""
    payee = order.payee
    institution = network_of(payee) if payee.kind is PartyKind.MSISDN else payee.institution
    return Facts(
        order.amount.amount_minor,
        order.amount.currency,
        order.type,
        payee,
        country,
        institution,
        order.source_code,
        actor,
        initiator_of(actor),
        at.astimezone(zone).hour,
    )


def misfit(when: When, facts: Facts) -> str | None:
    """Which condition the payment does not meet, in words; None: the policy applies."""
    if when.currency is not None and facts.currency != when.currency:
        return f"currency is not {when.currency}"
    if when.amount_from_minor is not None and facts.amount_minor < when.amount_from_minor:
        return f"amount is below {when.amount_from_minor}"
    if when.amount_below_minor is not None and facts.amount_minor >= when.amount_below_minor:
        return f"amount is not below {when.amount_below_minor}"
    if when.types and facts.type not in when.types:
        return "another type"
    if when.payee_kinds and facts.payee.kind not in when.payee_kinds:
        return "another kind of payee"
    if when.countries and facts.country not in when.countries:
        return "another country"
    if when.institutions and facts.institution not in when.institutions:
        return "another institution"
    if when.initiators and facts.initiator not in when.initiators:
        return "another kind of initiator"
    if when.source_prefix is not None and not facts.source_code.startswith(when.source_prefix):
        return "another source"
    if not _within(when.hour_from, when.hour_until, facts.hour):
        return f"not at this hour ({facts.hour})"
    return None


def _within(first: int | None, end: int | None, hour: int) -> bool:
    start, stop = 0 if first is None else first, 24 if end is None else end
    if start < stop:
        return start <= hour < stop
    return hour >= start or hour < stop
