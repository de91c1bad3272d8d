"""The bank of the sandbox: what it writes is valid, what it takes it checks, and its books are its answers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from omniroute.kit.clock import FixedClock
from omniroute.kit.xml import XmlUnreadable, read_xml
from omniroute.ports.rails import Outcome, StatementLine
from omniroute.sandbox.bank_files import BankFilesSandbox, NeftSandbox, RtgsSandbox, Said, read_orders, write_report
from omniroute.sandbox.faults import HEADER, Fault, FaultPlan
from omniroute.sandbox.rail import RailSandbox
from omniroute.sandbox.wire import Drop, WireCall
from omniroute.sandbox.world import World
from tests.connectors.iso20022.filing import NEFT, RTGS, order, payee, validate, write

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
HEADERS = {"authorization": "Bearer sandbox-file-token"}


class Stage:
    """A bank, a clock, and what the bank has said."""

    def __init__(self, rail: type[BankFilesSandbox] = NeftSandbox, plan: FaultPlan | None = None) -> None:
        self.clock = FixedClock(START)
        self.world = World(clock=self.clock, plan=plan, slow_s=0)
        self.bank = rail(self.world)
        self.said: list[bytes] = []

    async def answer(self, name: str, content: bytes) -> None:
        validate(content, read_xml(content).namespace.rpartition(":")[2])
        self.said.append(content)

    async def give(self, content: bytes, fault: Fault | None = None, hours: int = 2) -> list[bytes]:
        await self.bank.receive(content, self.answer, fault)
        self.clock.at += timedelta(hours=hours)
        await self.world.run_due()
        return self.said

    def statuses(self) -> list[str | None]:
        """The group statuses, as our connector reads them."""
        answers = [NEFT.read_file({}, content).answers[0] for content in self.said]
        return [None if one.group is None else one.group.answer.code for one in answers]


async def test_a_file_is_accepted_settled_and_told() -> None:
    stage = Stage()
    content = write(NEFT, [order(minor=100), order(minor=250, purpose="SUPPLIER_PAYMENT")])
    await stage.give(content)
    assert stage.statuses() == ["ACCP", "ACSC"]
    assert [move.amount_minor for move in stage.world.movements] == [-100, -250]
    (final,) = NEFT.read_file({}, stage.said[1]).answers
    assert {result.outcome for _, result in final.results} == {Outcome.SUCCEEDED}


async def test_an_rtgs_message_is_answered_by_a_pacs_002() -> None:
    stage = Stage(RtgsSandbox)
    await stage.give(write(RTGS, [order(RTGS, 5_000)]))
    assert [read_xml(content).namespace[-15:] for content in stage.said] == ["pacs.002.001.10"] * 2
    assert stage.statuses() == ["ACCP", "ACSC"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [(b"<CtrlSum>3.50", b"<CtrlSum>3.51", "AM10"), (b"<NbOfTxs>2", b"<NbOfTxs>3", "AM18")],
)
async def test_a_file_that_does_not_add_up_is_refused_whole(old: bytes, new: bytes, reason: str) -> None:
    stage = Stage()
    content = write(NEFT, [order(minor=100), order(minor=250)])
    await stage.give(content.replace(old, new, 1))
    assert stage.statuses() == [reason]
    assert stage.world.transfers() == []


async def test_the_same_message_twice_moves_money_once() -> None:
    stage = Stage()
    content = write(NEFT, [order(minor=100)])
    await stage.give(content)
    await stage.give(content)
    assert stage.statuses() == ["ACCP", "ACSC", "DU01"]
    renamed = content.replace(b"<MsgId>F", b"<MsgId>G")
    await stage.give(renamed)  # Another file with the same order.
    assert len(stage.world.movements) == 1
    assert {result.outcome for _, result in NEFT.read_file({}, stage.said[-1]).answers[0].results} == {Outcome.UNKNOWN}


async def test_faults_of_files() -> None:
    content = write(NEFT, [order(minor=100)])
    said = {}
    for fault in (Fault.LOST_REQUEST, Fault.LOST_CALLBACK, Fault.DUPLICATE_CALLBACK, Fault.DECLINED):
        stage = Stage()
        await stage.give(content, fault)
        said[fault] = (stage.statuses(), len(stage.world.movements))
    early = Stage()
    await early.give(content, Fault.EARLY_CALLBACK)
    assert said == {
        Fault.LOST_REQUEST: ([], 0),
        Fault.LOST_CALLBACK: ([], 1),
        Fault.DUPLICATE_CALLBACK: (["ACCP", "ACCP", "ACSC", "ACSC"], 1),
        Fault.DECLINED: (["NARR"], 0),
    }
    assert early.statuses() == ["ACSC", "ACCP"]


async def test_blocks_and_orders_are_refused_by_themselves() -> None:
    stage = Stage()
    stage.bank.refuse_category = "SUPP"
    magic = payee(identifier="2000009067")  # Declined.
    await stage.give(
        write(NEFT, [order(minor=100, payee=magic), order(minor=250), order(minor=700, purpose="SUPPLIER_PAYMENT")])
    )
    (final,) = NEFT.read_file({}, stage.said[-1]).answers
    assert sorted(result.outcome for _, result in final.results) == ["declined", "succeeded"]
    assert [result.outcome for _, result in final.blocks] == ["declined"]
    assert [move.amount_minor for move in stage.world.movements] == [-250]


async def test_the_statement_is_what_was_booked() -> None:
    stage = Stage()
    late = payee(identifier="2000009127")  # Given back the next day.
    await stage.give(write(NEFT, [order(minor=100), order(minor=250, payee=late)]), hours=30)
    lines: list[StatementLine] = []
    for day in (2, 3):
        content = stage.bank.statement(datetime(2026, 3, day, tzinfo=UTC).date())
        validate(content, "camt.053.001.08")
        lines += NEFT.read_file({"account": "0102030405"}, content).lines
    assert [(line.amount.amount_minor, line.credit) for line in lines] == [(100, False), (250, False), (250, True)]
    assert lines[1].our_ref == lines[2].our_ref
    assert len({line.line_id for line in lines}) == 3


async def test_uploads_by_http() -> None:
    stage = Stage()
    content = write(NEFT, [order(minor=100)])

    async def upload(headers: dict[str, str]) -> int:
        return (await stage.bank.handle(WireCall("POST", "/files", {}, headers, content))).status

    assert await upload({}) == 401
    assert await upload({**HEADERS, HEADER: "error-before"}) == 503
    assert stage.bank.taken == []
    with pytest.raises(Drop):
        await upload({**HEADERS, HEADER: "lost-reply"})
    assert len(stage.bank.taken) == 1
    assert await upload(HEADERS) == 202
    assert len(stage.bank.taken) == 1
    reply = await stage.bank.handle(WireCall("GET", "/statement", {"day": "2026-03-02"}, HEADERS, b""))
    validate(reply.body, "camt.053.001.08")
    assert (await stage.bank.handle(WireCall("GET", "/else", {}, HEADERS, b""))).status == 404
    rail: RailSandbox = stage.bank
    assert rail.connections()[0].rail == "neft"


@pytest.mark.parametrize("content", [b"", b"<a/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
async def test_what_is_no_file_of_orders_is_not_taken(content: bytes) -> None:
    with pytest.raises(XmlUnreadable):
        read_orders(content)
    stage = Stage()
    assert await stage.give(content) == []


def test_what_the_bank_reads_is_what_we_wrote() -> None:
    orders = [order(minor=100), order(minor=1), order(minor=999_999_999, purpose="SUPPLIER_PAYMENT")]
    file = read_orders(write(NEFT, orders))
    assert file.control_sum == file.true_sum == Decimal("10000001.00")
    told = {one.end_to_end: (one.amount_minor, one.currency, one.payee) for one in file.orders}
    assert told == {one.our_ref: (one.amount.amount_minor, "NGN", "0123456789") for one in orders}
    report = write_report(file, "R1", START, group=Said("RJCT", "AM10"))
    validate(report, "pain.002.001.10")
