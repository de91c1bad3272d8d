"""What a policy must look like. Pure."""

import re

from omniroute.kit.currency import EXPONENTS
from omniroute.kit.money import MINOR_MAX
from omniroute.money.policies.errors import MalformedPolicy
from omniroute.money.policies.model import ApprovalRule, Draft, FeeRule, LimitRule, Period, RouteRule, When

NAME_MAX = 100
POSITION_MAX = 100_000
CONNECTIONS_MAX = 20
LISTED_MAX = 200
APPROVERS_MAX = 10
MINUTE_S, MONTH_S = 60, 30 * 24 * 3600
_CONNECTION = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)


def check_draft(draft: Draft) -> None:
    """Refuse a policy nobody could mean.

    Raises: MalformedPolicy.
    """
    _check(
        0 < len(draft.name) <= NAME_MAX and draft.name.isprintable(), "name", f"1 to {NAME_MAX} printable characters"
    )
    _check(0 <= draft.position <= POSITION_MAX, "position", f"0 to {POSITION_MAX}")
    _check_when(draft.when)
    rule = draft.rule
    match rule:
        case RouteRule():
            _check_route(rule)
        case FeeRule():
            _check_fee(rule, draft.when)
        case ApprovalRule():
            _check(0 <= rule.approvers <= APPROVERS_MAX, "approvers", f"0 to {APPROVERS_MAX}")
            _check(MINUTE_S <= rule.expires_after_s <= MONTH_S, "expires_after_s", "a minute to 30 days, in seconds")
        case LimitRule():
            _check_limit(rule, draft.when)


def _check_when(when: When) -> None:
    low, high = when.amount_from_minor, when.amount_below_minor
    _check_amounts("when", low, high)
    _check(low is None or high is None or low < high, "when.amount_below", "more than amount_from")
    _check((low, high) == (None, None) or when.currency is not None, "when.currency", "given where amounts are")
    _check(when.currency is None or when.currency in EXPONENTS, "when.currency", "a currency (ISO 4217)")
    _check(all(map(_COUNTRY.fullmatch, when.countries)), "when.countries", "two capital letters each (ISO 3166)")
    _check(
        len(when.institutions) <= LISTED_MAX and all(0 < len(one) <= 40 for one in when.institutions),
        "when.institutions",
        f"up to {LISTED_MAX} codes of banks or names of networks",
    )
    _check(
        when.source_prefix is None or 0 < len(when.source_prefix) <= 128, "when.source_prefix", "1 to 128 characters"
    )
    first, end = when.hour_from, when.hour_until
    _check(first is None or 0 <= first <= 23, "when.hour_from", "an hour from 0 to 23")
    _check(end is None or 0 <= end <= 24, "when.hour_until", "an hour from 0 to 24")
    _check((0 if first is None else first) != (24 if end is None else end), "when.hour_until", "not hour_from")


def _check_route(rule: RouteRule) -> None:
    _check(len(rule.connections) <= CONNECTIONS_MAX, "route.connections", f"up to {CONNECTIONS_MAX}")
    _check(all(map(_CONNECTION.fullmatch, rule.connections)), "route.connections", "codes of connections")
    _check(len(set(rule.connections)) == len(rule.connections), "route.connections", "each of them once")
    _check(
        bool(rule.connections) or rule.otherwise == "refuse",
        "route.connections",
        "at least one, or `otherwise: refuse` to stop such payments",
    )


def _check_fee(rule: FeeRule, when: When) -> None:
    _check(when.currency is not None, "when.currency", "given: a fee is an amount in one currency")
    _check_amounts("fee", rule.flat_minor, rule.min_minor, rule.max_minor)
    _check(0 <= rule.basis_points <= 10_000, "fee.basis_points", "0 to 10000 (hundredths of a percent)")
    low, high = rule.min_minor, rule.max_minor
    _check(low is None or high is None or low <= high, "fee.max", "at least min")


def _check_limit(rule: LimitRule, when: When) -> None:
    most, least = rule.amount_max_minor, rule.amount_min_minor
    _check((most, least, rule.count_max) != (None, None, None), "limit", "an amount or a number")
    _check_amounts("limit", most, least)
    _check((most, least) == (None, None) or when.currency is not None, "when.currency", "given where amounts are")
    _check(most is None or least is None or least <= most, "limit.amount_max", "at least amount_min")
    _check(rule.count_max is None or 0 <= rule.count_max <= 2**31 - 1, "limit.count_max", "0 to 2147483647")
    if rule.period is Period.PAYMENT:
        _check(rule.count_max is None and rule.each is None, "limit.period", "day or month where payments are counted")
    else:
        _check(least is None, "limit.amount_min", "of a single payment only")


def _check_amounts(field: str, *amounts: int | None) -> None:
    for amount in amounts:
        _check(amount is None or 0 <= amount <= MINOR_MAX, field, "amounts from 0 on")


def _check(ok: object, field: str, expected: str) -> None:
    if not ok:
        raise MalformedPolicy(f"{field}: {expected}", field=field)
