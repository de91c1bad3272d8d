"""A rail small enough to see through: its connector moves money in a sandbox world of the same process.

What it cannot do over HTTP it does by raising what the HTTP client would raise. The real rails have tests of their own.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from omniroute.infra.http import ExchangeFailed, Sent
from omniroute.kit.money import Money
from omniroute.money.payments import Link
from omniroute.ports import rails
from omniroute.ports.rails import CodeClass, CodeEntry, CodeTable, Operation, Outcome, RailPolicy
from omniroute.sandbox.faults import BEFORE, Fault
from omniroute.sandbox.transfers import Order, Reason, State
from omniroute.sandbox.world import World

POLICY = RailPolicy(
    query_after=(timedelta(seconds=10), timedelta(seconds=30), timedelta(minutes=10)),
    query_for=timedelta(days=5),
    not_found_times=3,
    not_found_after=timedelta(hours=1),
)

_ROWS = {
    "paid": (Outcome.SUCCEEDED, CodeClass.OK),
    "wait": (Outcome.PENDING, CodeClass.IN_PROGRESS),
    "refused": (Outcome.DECLINED, CodeClass.HARD_DECLINE),
    "busy": (Outcome.DECLINED, CodeClass.SOFT_DECLINE),
    "funds": (Outcome.DECLINED, CodeClass.FUNDS),
    "reversed": (Outcome.REVERSED, CodeClass.REVERSED),
    "unseen": (Outcome.NOT_FOUND, CodeClass.NOT_FOUND),
}
TABLE = CodeTable("toy", "1", {code: CodeEntry(code, *row, code, code) for code, row in _ROWS.items()})


class ToyConnector:
    """Pays in a world. `takes`: how long the rail needs; `ask_names`: it wants a name enquiry first."""

    def __init__(
        self,
        world: World,
        rail: str = "toy",
        *,
        takes: timedelta = timedelta(0),
        ask_names: bool = False,
        names: Mapping[str, str | None] | None = None,
    ) -> None:
        self.world, self.rail = world, rail
        self.takes, self.names, self.ask_names = takes, names or {}, ask_names
        self.submits: list[str] = []
        self.before_submit: list[BaseException] = []

    def capabilities(self) -> rails.Capabilities:
        operations = {Operation.PAYOUT, Operation.QUERY}
        if self.ask_names:
            operations.add(Operation.NAME_ENQUIRY)
        return rails.Capabilities(
            frozenset(operations),
            frozenset({"NGN", "KES"}),
            frozenset({"NG"}),
            frozenset({rails.PartyKind.BANK_ACCOUNT}),
        )

    def policy(self) -> RailPolicy:
        return POLICY

    def codes(self) -> Mapping[str, CodeTable]:
        return {"submit": TABLE, "query": TABLE, "callback": TABLE}

    def check(self, payout: rails.Payout) -> None:
        if payout.amount.amount_minor > 10**12:
            raise rails.RailUnable("too much for a toy")

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: object) -> str:
        return f"T{attempt_id.hex}"

    async def resolve_party(self, context: rails.Context, party: rails.Party, *, our_ref: str) -> rails.Holder:
        if party.identifier not in self.names:
            raise rails.RailUnable(f"account {party.identifier} does not exist")
        return rails.Holder(party, self.names[party.identifier], active=True, enquiry_ref=our_ref)

    async def submit(self, context: rails.Context, payout: rails.Payout) -> rails.Result:
        if self.before_submit:
            raise self.before_submit.pop(0)
        self.submits.append(payout.our_ref)
        fault = self.world.plan.for_order(self.rail, payout.our_ref, {}, payout.payee.identifier[-3:])
        if fault in BEFORE:
            sent = Sent.MAYBE  # From here nobody can tell.
            raise ExchangeFailed("the connection was lost", sent=sent)
        if self.world.find(self.rail, payout.our_ref) is not None:
            raise AssertionError("the same order was sent twice")
        order = Order(
            self.rail,
            payout.our_ref,
            "float",
            payout.payee.identifier,
            payout.amount.amount_minor,
            payout.amount.currency,
        )
        self.world.accept(order, fault, takes=self.takes)
        await self.world.run_due()
        if fault in (Fault.LOST_REPLY, Fault.ERROR_AFTER, Fault.LATE_SUCCESS):
            raise ExchangeFailed("no reply", sent=Sent.MAYBE)
        return self._tell(payout.our_ref)

    async def query(self, context: rails.Context, payout: rails.Payout, provider_ref: str | None) -> rails.Result:
        await self.world.run_due()
        if self.world.find_visible(self.rail, payout.our_ref) is None:
            return rails.Result(Outcome.NOT_FOUND, rails.Answer("unseen"))
        return self._tell(payout.our_ref)

    def _tell(self, our_ref: str) -> rails.Result:
        transfer = self.world.find(self.rail, our_ref)
        assert transfer is not None
        code = {
            State.ACCEPTED: "wait",
            State.SUCCEEDED: "paid",
            State.REVERSED: "reversed",
            State.DECLINED: "funds" if transfer.reason is Reason.FUNDS else "refused",
        }[transfer.state]
        if transfer.reason is Reason.LIMIT:
            code = "busy"
        return rails.Result(
            TABLE.find(code).outcome,
            rails.Answer(code, code),
            provider_ref=transfer.rail_ref,
            our_ref=our_ref,
            amount=Money(transfer.told_minor, transfer.order.currency),
            payee_identifier=transfer.order.payee,
        )

    async def reverse(
        self, context: rails.Context, payout: rails.Payout, provider_ref: str, our_ref: str
    ) -> rails.Result:
        raise rails.RailUnable("a toy gives nothing back")

    async def fetch_balances(self, context: rails.Context) -> Sequence[rails.Balance]:
        return []

    async def fetch_statement(self, context: rails.Context, day: date, cursor: str | None) -> rails.StatementPage:
        start = datetime.combine(day, time(), UTC)
        lines = tuple(
            rails.StatementLine(
                f"{movement.rail}-{movement.number}",
                movement.at,
                Money(abs(movement.amount_minor), movement.currency),
                movement.amount_minor > 0,
                movement.reference,
                movement.rail_ref,
                movement.kind,
                is_fee=movement.kind == "fee",
            )
            for movement in self.world.statement(self.rail, "float", start, start + timedelta(days=1))
        )
        return rails.StatementPage(lines, None)

    async def list_institutions(self, context: rails.Context) -> Sequence[rails.Institution]:
        return []

    def read_callback(self, context: rails.Context, callback: rails.Callback) -> Sequence[rails.RailEvent]:
        if not callback.authentic:
            event = rails.Result(Outcome.UNKNOWN)
            return [rails.RailEvent("f", rails.EventKind.OTHER, rails.Trust.REJECTED, event)]
        trust = rails.Trust.VERIFIED if callback.purpose == "verified" else rails.Trust.HINT
        result = self._tell(callback.ref)
        return [rails.RailEvent(callback.ref, rails.EventKind.PAYOUT_RESULT, trust, result)]

    def acknowledge(self, callback: rails.Callback) -> rails.Ack:
        return rails.Ack()


class ToyLinks:
    """Connections by id."""

    def __init__(self, links: Mapping[UUID, Link]) -> None:
        self.links = dict(links)

    async def get(self, tenant_id: UUID, connection_id: UUID) -> Link:
        return self.links[connection_id]
