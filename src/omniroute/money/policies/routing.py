"""Which connections a payment may go over, the best first, and why. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from omniroute.kit import ids
from omniroute.money.connections import ConnectionStatus, Health
from omniroute.money.institutions import OtherNetwork
from omniroute.money.payments import InitiatePayment
from omniroute.money.payments.errors import NoRoute
from omniroute.money.policies.matching import Facts, misfit
from omniroute.money.policies.model import RouteRule, When
from omniroute.ports.rails import (
    Capabilities,
    Operation,
    PartyKind,
    Payout,
    RailPolicy,
    RailUnable,
)

CANDIDATES_MAX = 5
_HEALTHIEST = {Health.UP: 0, Health.UNKNOWN: 1, Health.DEGRADED: 2, Health.DOWN: 3}


class Carrier(Protocol):
    """As much of a connector as routing asks."""

    def check(self, payout: Payout) -> None:
        """Refuse what the rail cannot carry. Raises: RailUnable."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """A connection as routing sees it. `country`: the only one it pays to; None: as its rail."""

    connection_id: UUID
    code: str
    rail: str
    currency: str
    country: str | None
    operations: frozenset[Operation]
    status: ConnectionStatus
    health: Health
    float_account_id: UUID
    float_minor: int
    connector: Carrier
    capabilities: Capabilities
    policy: RailPolicy


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """A routing rule with its name and condition."""

    name: str
    when: When
    rule: RouteRule


class Router:
    """The connections and routing rules of one organisation."""

    def __init__(self, ways: Sequence[Way], rules: Sequence[RoutePolicy]) -> None:
        self._ways: Mapping[str, Way] = {way.code: way for way in ways}
        self._pins: Mapping[str, Way] = {ids.show("con", way.connection_id): way for way in ways} | self._ways
        self._rules = tuple(rules)
        self._healthiest = sorted(ways, key=lambda way: (_HEALTHIEST[way.health], way.code))

    def choose(self, command: InitiatePayment, facts: Facts, *, now: datetime) -> tuple[tuple[Way, ...], list[str]]:
        """The connections, at least one, the best first; and why, rule by rule.

        Raises: NoRoute, OtherNetwork.
        """
        search = _Search(command, facts, now)
        if command.connection is not None:
            way = self._pins.get(command.connection)
            if way is None:
                raise NoRoute(
                    f"there is no connection {command.connection[:40]}",
                    tried=[f"{command.connection[:40]}: there is no such connection"],
                )
            refusing = self.refusing(facts)
            if refusing is not None:
                raise NoRoute(f"refused by the rule {refusing}", tried=[f"rule {refusing}: refused"])
            return self._found(search, [way], [f"asked for {way.code}"])
        why: list[str] = []
        for rule in self._rules:
            not_met = misfit(rule.when, facts)
            if not_met is not None:
                why.append(f"rule {rule.name}: {not_met}")
                continue
            listed = [way for code in rule.rule.connections if (way := self._ways.get(code)) is not None]
            usable = search.usable(listed, float_covers=rule.rule.float_covers)
            if usable:
                why.append(f"rule {rule.name}: {', '.join(way.code for way in usable)}")
                usable.sort(key=lambda way: way.health is Health.DEGRADED)
                return tuple(usable[:CANDIDATES_MAX]), why + search.dropped
            if rule.rule.otherwise == "refuse":
                why.append(f"rule {rule.name}: refused")
                raise NoRoute(f"refused by the rule {rule.name}", tried=why + search.dropped)
            why.append(f"rule {rule.name}: none of its connections can carry it")
        return self._found(search, self._healthiest, why)

    def refusing(self, facts: Facts) -> str | None:
        """The name of a rule under which such payments are not made at all."""
        for rule in self._rules:
            if misfit(rule.when, facts) is None:
                blocked = not rule.rule.connections and rule.rule.otherwise == "refuse"
                return rule.name if blocked else None
        return None

    def _found(self, search: "_Search", ways: Sequence[Way], why: list[str]) -> tuple[tuple[Way, ...], list[str]]:
        usable = search.usable(ways, float_covers=False)
        if not usable:
            search.fail(why)
        why.append(f"can carry it: {', '.join(way.code for way in usable)}")
        return tuple(usable[:CANDIDATES_MAX]), why + search.dropped


class _Search:
    """What came out for each connection while looking for those that can carry one payment."""

    def __init__(self, command: InitiatePayment, facts: Facts, now: datetime) -> None:
        self._command, self._facts, self._now = command, facts, now
        self._reasons: dict[str, str | None] = {}
        self._payout: Payout | None = None
        self._networks: set[str] = set()

    @property
    def dropped(self) -> list[str]:
        """Connections that cannot carry it, with the reason; those of another currency go without saying."""
        return [f"{code}: {why}" for code, why in self._reasons.items() if why not in (None, "another currency")]

    def usable(self, ways: Sequence[Way], *, float_covers: bool) -> list[Way]:
        """Those that can carry the payment, in their order."""
        found = []
        for way in ways:
            if way.code not in self._reasons:
                self._reasons[way.code] = self._obstacle(way)
            if self._reasons[way.code] is None and not (float_covers and way.float_minor < self._facts.amount_minor):
                found.append(way)
        return found

    def fail(self, why: Sequence[str]) -> None:
        """Say why nothing can carry it. Raises: NoRoute, OtherNetwork."""
        tried = [*why, *(f"{code}: {reason}" for code, reason in self._reasons.items())]
        suited = [reason for reason in self._reasons.values() if reason != "another currency"]
        if suited and self._networks and all(reason in self._networks for reason in suited):
            raise OtherNetwork(f"the number belongs to {self._facts.institution}", tried=tried)
        raise NoRoute(tried=tried)

    def _obstacle(self, way: Way) -> str | None:
        """Why this connection cannot carry the payment."""
        facts, can = self._facts, way.capabilities
        if facts.currency != way.currency:
            return "another currency"
        if way.status is not ConnectionStatus.ACTIVE:
            return str(way.status)
        if not way.operations & {Operation.PAYOUT, Operation.BULK_FILE}:
            return "pays nothing out"
        if facts.payee.kind not in can.payee_kinds:
            return f"does not pay a {facts.payee.kind}"
        if facts.country is not None:
            if can.countries and facts.country not in can.countries:
                return f"does not reach {facts.country}"
            if way.country is not None and facts.country != way.country:
                return f"reaches {way.country} only"
        network = facts.institution if facts.payee.kind is PartyKind.MSISDN else None
        if network is not None and can.networks and network not in can.networks:
            reason = f"pays numbers of {', '.join(sorted(can.networks))}, and this is of {network}"
            self._networks.add(reason)
            return reason
        if way.health is Health.DOWN and not self._is_later():
            return "down"
        return self._unable(way)

    def _is_later(self) -> bool:
        """Health of today says nothing about a payment of tomorrow."""
        send_after = self._command.send_after
        return send_after is not None and send_after > self._now

    def _unable(self, way: Way) -> str | None:
        """What the rail itself cannot carry."""
        amount, policy = self._facts.amount_minor, way.policy
        least = (policy.amount_min_minor or {}).get(way.currency)
        most = (policy.amount_max_minor or {}).get(way.currency)
        try:
            way.connector.check(self._as_payout())
        except RailUnable as refusal:
            return refusal.detail
        if least is not None and amount < least:
            return f"carries at least {least}"
        if most is not None and amount > most:
            return f"carries at most {most}"
        return None

    def _as_payout(self) -> Payout:
        if self._payout is None:
            order = self._command
            self._payout = Payout(
                "", order.amount, order.payee, order.narration, order.type.value, order.reference, self._now
            )
        return self._payout
