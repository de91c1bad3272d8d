"""Connections, policies and payments with everything left out that a test does not look at."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from omniroute.kit.ids import uuid7
from omniroute.kit.money import Money
from omniroute.money.connections import ConnectionStatus, Health
from omniroute.money.payments import Decision, InitiatePayment, PaymentType, initiate_payment
from omniroute.money.policies import Policy, PolicyKind, PolicyRulebook, RouteRule, Rule, Way, When
from omniroute.money.policies.model import RULES
from omniroute.ports.rails import (
    Capabilities,
    Duplicates,
    Operation,
    Party,
    PartyKind,
    Payout,
    RailPolicy,
    RailUnable,
)

TENANT = UUID("00000000-0000-7000-8000-000000000001")
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
TODAY = date(2026, 3, 2)
LAGOS = ZoneInfo("Africa/Lagos")
GTB = Party(PartyKind.BANK_ACCOUNT, "0016563228", "000013", None, "NG")
SAFARICOM = Party(PartyKind.MSISDN, "254712345678", None, None, "KE")
POLICY = RailPolicy((), NOW - NOW, 1, NOW - NOW, duplicates=Duplicates.REJECTS)


class Rail:
    """As much of a connector as routing asks: it carries up to `most` minor units, in whole hundreds."""

    def __init__(self, most: int = 10**12) -> None:
        self.most, self.asked = most, 0

    def check(self, payout: Payout) -> None:
        self.asked += 1
        if payout.amount.amount_minor > self.most:
            raise RailUnable(f"at most {self.most}")
        if payout.amount.currency == "KES" and payout.amount.amount_minor % 100:
            raise RailUnable("whole shillings, no cents")


def way(code: str, **given: Any) -> Way:
    """A connection that pays Nigerian bank accounts, unless told otherwise."""
    currency = given.pop("currency", "NGN")
    kinds = frozenset(given.pop("kinds", {PartyKind.BANK_ACCOUNT}))
    countries = frozenset(given.pop("countries", {"NG"}))
    networks = frozenset(given.pop("networks", ()))
    operations = frozenset(given.pop("operations", {Operation.PAYOUT}))
    return Way(
        connection_id=given.pop("connection_id", None) or uuid7(),
        code=code,
        rail=given.pop("rail", code),
        currency=currency,
        country=given.pop("country", None),
        operations=operations,
        status=given.pop("status", ConnectionStatus.ACTIVE),
        health=given.pop("health", Health.UP),
        float_account_id=uuid7(),
        float_minor=given.pop("float_minor", 0),
        connector=given.pop("connector", None) or Rail(given.pop("most", 10**12)),
        capabilities=Capabilities(operations, frozenset({currency}), countries, kinds, networks),
        policy=given.pop("policy", POLICY),
    )


def mpesa(code: str = "mpesa", **given: Any) -> Way:
    """A connection that pays Kenyan wallets of Safaricom."""
    options = {"currency": "KES", "kinds": {PartyKind.MSISDN}, "countries": {"KE"}, "networks": {"safaricom"}}
    return way(code, **options | given)


def policy(name: str, rule: Rule, when: When | None = None, position: int = 10) -> Policy:
    """A policy in force."""
    kind = next(kind for kind, shape in RULES.items() if isinstance(rule, shape))
    return Policy(uuid7(), kind, name, position, when or When(), rule, "active", 1, NOW, NOW)


def route(name: str, *codes: str, when: When | None = None, position: int = 10, **rule: Any) -> Policy:
    """A routing rule."""
    made = policy(name, RouteRule(codes, **rule), when, position)
    assert made.kind is PolicyKind.ROUTE
    return made


def book(*parts: Way | Policy) -> PolicyRulebook:
    """An organisation in Lagos with these connections and policies."""
    ways = [part for part in parts if isinstance(part, Way)]
    return PolicyRulebook(TENANT, LAGOS, ways, [part for part in parts if isinstance(part, Policy)])


def order(amount_minor: int = 5_000, payee: Party = GTB, currency: str = "NGN", **given: Any) -> InitiatePayment:
    """A payment of 50.00 to a bank account in Nigeria."""
    return initiate_payment(
        reference=given.pop("reference", "P1"),
        type=given.pop("type", PaymentType.SUPPLIER_PAYMENT),
        amount=Money(amount_minor, currency),
        source_code=given.pop("source", "wallet:shop"),
        payee=payee,
        **given,
    )


def decide(rules: PolicyRulebook, command: InitiatePayment, actor: str = "usr_maker", now: datetime = NOW) -> Decision:
    """What the rules say on a Monday morning in March."""
    return rules.decide(command, actor=actor, now=now, today=TODAY)


def codes(rules: PolicyRulebook, command: InitiatePayment, *ways: Way, **given: Any) -> list[str]:
    """The connections it would go over, by code."""
    by_id = {one.connection_id: one.code for one in ways}
    return [by_id[found] for found in decide(rules, command, **given).connection_ids]
