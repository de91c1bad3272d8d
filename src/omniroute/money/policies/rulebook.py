"""An organisation's policies, ready to decide: no I/O, no clock, thousands of payments a second."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import TypeVar
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from omniroute import ledger
from omniroute.kit.money import round_fraction
from omniroute.money import payments
from omniroute.money.institutions import check_payee, country_of_currency
from omniroute.money.payments import BOOK, Decision, InitiatePayment, LimitUse, Payment, PaymentType
from omniroute.money.payments.errors import LimitExceeded, NoRoute
from omniroute.money.policies.errors import MoreApprovalsNeeded
from omniroute.money.policies.matching import Facts, facts_of, misfit
from omniroute.money.policies.model import ApprovalRule, Each, FeeRule, LimitRule, Period, Policy, RouteRule, Rule
from omniroute.money.policies.routing import RoutePolicy, Router, Way

BASIS_POINTS = 10_000
R = TypeVar("R", RouteRule, FeeRule, ApprovalRule, LimitRule)


class PolicyRulebook:
    """What one organisation has decided, as of a moment some seconds ago at most. Implements `payments.Rulebook`."""

    def __init__(self, tenant_id: UUID, zone: ZoneInfo, ways: Sequence[Way], policies: Sequence[Policy]) -> None:
        ordered = sorted(policies, key=lambda policy: (policy.position, policy.name, policy.policy_id))
        self._tenant_id, self._zone = tenant_id, zone
        self._router = Router(ways, [RoutePolicy(p.name, p.when, rule) for p, rule in _of(ordered, RouteRule)])
        self._fees = _of(ordered, FeeRule)
        self._approvals = _of(ordered, ApprovalRule)
        limits = _of(ordered, LimitRule)
        self._single = [(policy, rule) for policy, rule in limits if rule.period is Period.PAYMENT]
        self._periodic = [(policy, rule) for policy, rule in limits if rule.period is not Period.PAYMENT]
        self._fee_accounts: dict[str, UUID] = {}

    def decide(self, command: InitiatePayment, *, actor: str, now: datetime, today: date) -> Decision:
        """Route, fee, approvals and limits of a payment that `actor` asks for.

        Raises: NoRoute, LimitExceeded, and what `institutions` refuses in a payee.
        """
        currency = command.amount.currency
        check_payee(command.payee, currency=currency)
        country = command.payee.country or country_of_currency(currency)
        facts = facts_of(command, actor=actor, country=country, at=command.send_after or now, zone=self._zone)
        self._check_single(facts)
        ways: tuple[Way, ...] = ()
        why, rail, fee = ["on our own books"], BOOK, 0
        if command.type is not PaymentType.INTERNAL_TRANSFER:
            ways, why = self._router.choose(command, facts, now=now)
            rail = ways[0].rail
            fee = self._fee(facts, rail, why)
        needed, expires_after = self._approvals_of(facts, why)
        return Decision(
            rail,
            tuple(way.connection_id for way in ways),
            tuple(why),
            tuple(way.float_account_id for way in ways),
            fee,
            self._fee_account(currency) if fee else None,
            needed,
            now + expires_after if needed and not command.approved else None,
            self._limits(facts, today),
        )

    def recheck(self, payment: Payment) -> None:
        """Look once more at a payment that was initiated under older rules; nothing is counted again.

        Raises: LimitExceeded (of a single payment), MoreApprovalsNeeded, NoRoute when such payments are not made now.
        """
        country = payment.payee.country or country_of_currency(payment.amount.currency)
        at = max(payment.send_after, payment.created_at)
        facts = facts_of(payment, actor=payment.initiated_by, country=country, at=at, zone=self._zone)
        self._check_single(facts)
        refusing = None if payment.rail == BOOK else self._router.refusing(facts)
        if refusing is not None:
            raise NoRoute(f"refused by the rule {refusing}", tried=[f"rule {refusing}: refused"])
        approved_elsewhere = payment.batch_id is not None or payment.schedule_id is not None
        needed, _ = self._approvals_of(facts, [])
        if needed > payment.approvals_needed and not approved_elsewhere:
            raise MoreApprovalsNeeded(needed=needed, asked_for=payment.approvals_needed)

    def _check_single(self, facts: Facts) -> None:
        for policy, rule in self._single:
            if misfit(policy.when, facts) is not None:
                continue
            most, least = rule.amount_max_minor, rule.amount_min_minor
            if most is not None and facts.amount_minor > most:
                raise LimitExceeded(limit=policy.name, left_minor=most)
            if least is not None and facts.amount_minor < least:
                raise LimitExceeded(
                    f"The payment is smaller than {policy.name} allows", limit=policy.name, least_minor=least
                )

    def _fee(self, facts: Facts, rail: str, why: list[str]) -> int:
        for policy, rule in self._fees:
            if (rule.rails and rail not in rule.rails) or misfit(policy.when, facts) is not None:
                continue
            fee = fee_of(rule, facts.amount_minor)
            why.append(f"fee {policy.name}: {fee}")
            return fee
        return 0

    def _approvals_of(self, facts: Facts, why: list[str]) -> tuple[int, timedelta]:
        for policy, rule in self._approvals:
            if misfit(policy.when, facts) is None:
                why.append(f"approval {policy.name}: {rule.approvers}")
                return rule.approvers, timedelta(seconds=rule.expires_after_s)
        return 0, timedelta(0)

    def _limits(self, facts: Facts, today: date) -> tuple[LimitUse, ...]:
        if not self._periodic:
            return ()
        return tuple(
            LimitUse(
                counted(policy.policy_id, rule.each, facts),
                today if rule.period is Period.DAY else today.replace(day=1),
                policy.name,
                rule.amount_max_minor,
                rule.count_max,
            )
            for policy, rule in self._periodic
            if misfit(policy.when, facts) is None
        )

    def _fee_account(self, currency: str) -> UUID:
        known = self._fee_accounts.get(currency)
        if known is None:
            known = ledger.account_id(self._tenant_id, payments.fee_income(currency))
            self._fee_accounts[currency] = known
        return known


def fee_of(rule: FeeRule, amount_minor: int) -> int:
    """What a fee comes to."""
    share = round_fraction(Fraction(amount_minor * rule.basis_points, BASIS_POINTS), rule.rounding_mode)
    fee = rule.flat_minor + share
    if rule.max_minor is not None:
        fee = min(fee, rule.max_minor)
    return fee if rule.min_minor is None else max(fee, rule.min_minor)


def counted(policy_id: UUID, each: Each | None, facts: Facts) -> UUID:
    """The counter of a limit: its own, or one for each source, initiator or payee."""
    match each:
        case None:
            return policy_id
        case Each.SOURCE:
            return _part(policy_id, facts.source_code)
        case Each.INITIATOR:
            return _part(policy_id, facts.actor)
        case Each.PAYEE:
            payee = facts.payee
            return _part(policy_id, f"{payee.kind}:{payee.institution or ''}:{payee.identifier}:{payee.account or ''}")


@lru_cache(maxsize=20_000)
def _part(policy_id: UUID, name: str) -> UUID:
    return uuid5(policy_id, name)


def _of(policies: Sequence[Policy], kind: type[R]) -> list[tuple[Policy, R]]:
    found: list[tuple[Policy, R]] = []
    for policy in policies:
        rule: Rule = policy.rule
        if isinstance(rule, kind):
            found.append((policy, rule))
    return found
