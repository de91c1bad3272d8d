"""People at a desk: one asks, another decides."""

from typing import Any
from uuid import UUID

from omniroute.infra.events import Meta
from omniroute.infra.http import ExchangeFailed, Sent
from omniroute.kit.ids import uuid7
from omniroute.money import desk
from omniroute.money.desk import Act, ApprovalRequest, Proof
from omniroute.money.payments import Payment
from omniroute.ports import rails
from omniroute.ports.rails import Operation, Outcome
from omniroute.sandbox.transfers import State
from tests.money.payments.house import START, House
from tests.money.payments.toy import ToyConnector

MAKER, CHECKER = "usr_maker", "usr_checker"
PROOF = Proof("The bank's letter of 2 March says so.", "a" * 64)
META = Meta(actor=MAKER, channel="test")


def known(house: House) -> dict[str, rails.Connector]:
    return {one.rail: one for one in house.connectors}


async def ask(house: House, act: Act, *, actor: str = MAKER, proof: Proof = PROOF, needed: int = 1) -> ApprovalRequest:
    async with house.db.tx(house.tenant_id) as tx:
        return await desk.ask(
            tx,
            act,
            proof,
            actor=actor,
            approvals_needed=needed,
            rails=known(house),
            now=house.clock.now(),
            today=START.date(),
            meta=META,
        )


async def approve(house: House, request: ApprovalRequest, *, actor: str = CHECKER) -> ApprovalRequest:
    async with house.db.tx(house.tenant_id) as tx:
        return await desk.approve(
            tx,
            request.request_id,
            actor=actor,
            rails=known(house),
            now=house.clock.now(),
            today=START.date(),
            meta=META,
        )


async def do(house: House, act: Act) -> ApprovalRequest:
    return await approve(house, await ask(house, act))


async def snapshot(house: House, payment: Payment) -> Any:
    """Everything that an act could have moved."""
    async with house.db.tx(house.tenant_id) as tx:
        found = await tx.connection.execute(
            "SELECT (SELECT jsonb_agg(p ORDER BY p.payment_id) FROM payment p) AS payments,"
            " (SELECT jsonb_agg(a ORDER BY a.attempt_id) FROM payment_attempt a) AS attempts,"
            " (SELECT jsonb_agg(e ORDER BY e.exception_id) FROM payment_exception e) AS exceptions,"
            " (SELECT jsonb_agg(r ORDER BY r.reversal_id) FROM payment_reversal r) AS reversals,"
            " (SELECT jsonb_agg(s ORDER BY s.step_id) FROM payment_step s) AS steps,"
            " (SELECT count(*) FROM ledger_txn) AS transactions, (SELECT count(*) FROM ledger_entry) AS entries"
        )
        return await found.fetchone()


async def exceptions(house: House, payment: Payment) -> list[Any]:
    async with house.db.tx(house.tenant_id) as tx:
        found = await tx.connection.execute(
            "SELECT exception_id, kind, transaction_id, resolved_at, resolved_by, resolution FROM payment_exception"
            " WHERE payment_id = %s ORDER BY exception_id",
            [payment.payment_id],
        )
        return await found.fetchall()


async def topics(house: House, prefix: str) -> list[str]:
    async with house.db.tx(house.tenant_id) as tx:
        found = await tx.connection.execute(
            "SELECT type FROM event_log WHERE tenant_id = %s AND type LIKE %s ORDER BY seq",
            [house.tenant_id, f"{prefix}%"],
        )
        return [row.type for row in await found.fetchall()]


class Reversible(ToyConnector):
    """A toy rail that gives back. `faults` are raised before, `after` once the rail has done it."""

    def __init__(self, world: Any, rail: str = "toy", **options: Any) -> None:
        super().__init__(world, rail, **options)
        self.asked: list[str] = []
        self.before: list[BaseException] = []
        self.after: list[BaseException] = []
        self.answers: list[Outcome] = []

    def capabilities(self) -> rails.Capabilities:
        can = super().capabilities()
        return rails.Capabilities(can.operations | {Operation.REVERSAL}, can.currencies, can.countries, can.payee_kinds)

    async def reverse(
        self, context: rails.Context, payout: rails.Payout, provider_ref: str, our_ref: str
    ) -> rails.Result:
        if self.before:
            raise self.before.pop(0)
        assert our_ref not in self.asked, "the same request was sent twice"
        self.asked.append(our_ref)
        if self.answers:
            return rails.Result(self.answers.pop(0), rails.Answer("told", "told"))
        transfer = self.world.find(self.rail, payout.our_ref)
        assert transfer is not None
        assert transfer.state is State.SUCCEEDED
        assert transfer.rail_ref == provider_ref
        await self.world.reverse(transfer)
        if self.after:
            raise self.after.pop(0)
        return rails.Result(Outcome.REVERSED, rails.Answer("reversed"), provider_ref=f"{provider_ref}-R")


def lost() -> ExchangeFailed:
    return ExchangeFailed("no reply", sent=Sent.MAYBE)


def somebody_else() -> UUID:
    return uuid7()
