"""The bank: takes files, keeps books, answers when it knows."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

from omniroute.kit.xml import XmlUnreadable
from omniroute.sandbox.bank_files.messages import (
    FileOrder,
    ReadFile,
    Said,
    read_orders,
    write_report,
    write_statement,
)
from omniroute.sandbox.callbacks import CallbackRequest
from omniroute.sandbox.faults import HEADER, Fault
from omniroute.sandbox.rail import Router, TestConnection, magic_digits
from omniroute.sandbox.transfers import Order, Reason, State, Transfer
from omniroute.sandbox.wire import Drop, WireCall, WireReply
from omniroute.sandbox.world import LATE, World

ACCOUNT = "0102030405"
TOKEN = "sandbox-file-token"  # noqa: S105 - no secret
LAGOS = timezone(timedelta(hours=1))
SOON = timedelta(seconds=1)
ORDER_FAULTS = (Fault.DECLINED, Fault.LATE_SUCCESS, Fault.WRONG_AMOUNT, Fault.REVERSED_LATER)
"""What may go wrong with one order of a file; everything else goes wrong with a file."""

_REASONS = {
    Reason.FUNDS: "AM04",
    Reason.PAYEE_UNKNOWN: "AC03",
    Reason.LIMIT: "AM14",
    Reason.REFUSED: "MS03",
}

Answer = Callable[[str, bytes], Awaitable[None]]
"""Takes an answer of the bank, by name and content, to where the customer looks for it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A file the bank took, with the orders it works on."""

    file: ReadFile
    fault: Fault
    answer: Answer


class BankFilesSandbox:
    """A bank. `takes`: how long a session needs; `refuse_category`: blocks of this category are refused whole."""

    rail = "bank_files"

    def __init__(self, world: World, *, takes: timedelta = timedelta(hours=1)) -> None:
        self.world = world
        self.takes = takes
        self.refuse_category: str | None = None
        self.taken: list[ReadFile] = []
        self._seen: set[str] = set()
        self._reports = 0
        self._router = Router()
        self._router.add("POST", "/files", self._upload)
        self._router.add("GET", "/statement", self._statement)

    def connections(self) -> list[TestConnection]:
        """One, in naira."""
        public = {"debtor_name": "Sandbox Trading", "account": ACCOUNT, "bank": "000014"}
        return [TestConnection(self.rail, "", ACCOUNT, "NGN", public, {"token": TOKEN})]

    async def handle(self, call: WireCall) -> WireReply:
        """Answer one call. Raises: Drop."""
        await self.world.run_due()
        if call.headers.get("authorization") != f"Bearer {TOKEN}":
            return WireReply(401, b"", "text/plain")
        return await self._router.dispatch(call, WireReply(404, b"", "text/plain"))

    async def _upload(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        url = call.headers.get("x-answer-url")

        async def answer(name: str, content: bytes) -> None:
            if url is not None:
                headers = {"content-type": "application/xml", "x-file-name": name}
                await self.world.call(CallbackRequest(url, content, headers=headers))

        named = call.headers.get(HEADER)
        fault = await self.receive(call.body, answer, None if named is None else Fault(named))
        if fault in (Fault.LOST_REQUEST, Fault.LOST_REPLY):
            raise Drop
        if fault in (Fault.ERROR_BEFORE, Fault.ERROR_AFTER):
            return WireReply(503, b"", "text/plain")
        return WireReply(202, b"", "text/plain")

    async def _statement(self, call: WireCall, _: Mapping[str, str]) -> WireReply:
        day = date.fromisoformat(call.query["day"])
        return WireReply(200, self.statement(day, call.query.get("account", ACCOUNT)), "application/xml")

    def statement(self, day: date, account: str = ACCOUNT) -> bytes:
        """What was booked on an account that day, in Lagos."""
        start = datetime.combine(day, time(), LAGOS)
        movements = self.world.statement(self.rail, account, start, start + timedelta(days=1))
        return write_statement(account, movements, f"{self.rail}-{account}-{day:%Y%m%d}", self.world.clock.now())

    async def receive(self, content: bytes, answer: Answer, fault: Fault | None = None) -> Fault:
        """Take a file in; what went wrong with it. Answers go out when their time comes."""
        try:
            file = read_orders(content)
        except XmlUnreadable:
            return Fault.NONE  # As banks do: what cannot be read has no sender to answer to.
        if fault is None:
            fault = self.world.plan.for_order(self.rail, file.message_id, {})
        if fault in (Fault.LOST_REQUEST, Fault.ERROR_BEFORE):
            return fault
        taken = Taken(file, fault, answer)
        wrong = self._wrong(file)
        if wrong is None and fault is Fault.DECLINED:
            wrong = Said("RJCT", "NARR")
        if wrong is not None:
            await self._tell(taken, SOON, lambda at: self._report(file, at, group=wrong))
            return fault
        self._seen.add(file.message_id)
        self.taken.append(file)
        await self._accept(taken)
        return fault

    def _wrong(self, file: ReadFile) -> Said | None:
        if file.message_id in self._seen:
            return Said("RJCT", "DU01")
        if file.control_sum is not None and file.control_sum != file.true_sum:
            return Said("RJCT", "AM10")
        if file.number != str(len(file.orders)):
            return Said("RJCT", "AM18")
        return None

    async def _accept(self, taken: Taken) -> None:
        file = taken.file
        transfers: list[tuple[FileOrder, Transfer]] = []
        refused: list[tuple[FileOrder, Said]] = []
        for order in file.orders:
            if self.world.find(self.rail, order.end_to_end) is not None:
                refused.append((order, Said("RJCT", "DU04")))
            elif order.category is None or order.category != self.refuse_category:
                transfers.append((order, self._take(order)))
        accepted = SOON if taken.fault is not Fault.EARLY_CALLBACK else self.takes + 2 * SOON
        await self._tell(taken, accepted, lambda at: self._report(file, at, group=Said("ACCP")))
        await self._tell(taken, self.takes + SOON, lambda at: self._final(taken, transfers, refused, at))
        late = [(order, transfer) for order, transfer in transfers if transfer.fault is Fault.LATE_SUCCESS]
        if late:
            await self._tell(taken, LATE + self.takes + SOON, lambda at: self._late(file, late, at))

    def _take(self, order: FileOrder) -> Transfer:
        fault = self.world.plan.for_order(self.rail, order.end_to_end, {}, magic_digits(order.payee, check_digit=True))
        if fault not in ORDER_FAULTS:
            fault = Fault.NONE
        made = Order(self.rail, order.end_to_end, order.account, order.payee, order.amount_minor, order.currency)
        return self.world.accept(made, fault, takes=self.takes)

    def _final(
        self,
        taken: Taken,
        transfers: Sequence[tuple[FileOrder, Transfer]],
        refused: Sequence[tuple[FileOrder, Said]],
        at: datetime,
    ) -> bytes:
        file = taken.file
        said = [(order, _said(transfer)) for order, transfer in transfers] + list(refused)
        blocks: list[tuple[str, Said]] = []
        if self.refuse_category is not None:
            names = {order.block for order in file.orders if order.category == self.refuse_category}
            blocks = [(name, Said("RJCT", "AG03")) for name in sorted(names)]
        whole = not blocks and all(one.status == "ACSC" for _, one in said)
        return self._report(file, at, group=Said("ACSC" if whole else "PART"), blocks=blocks, orders=said)

    def _late(self, file: ReadFile, late: Sequence[tuple[FileOrder, Transfer]], at: datetime) -> bytes:
        return self._report(file, at, orders=[(order, _said(transfer)) for order, transfer in late])

    def _report(
        self,
        file: ReadFile,
        at: datetime,
        *,
        group: Said | None = None,
        blocks: Sequence[tuple[str, Said]] = (),
        orders: Sequence[tuple[FileOrder, Said]] = (),
    ) -> bytes:
        self._reports += 1
        return write_report(file, f"R{self._reports:08d}", at, group=group, blocks=blocks, orders=orders)

    async def _tell(self, taken: Taken, after: timedelta, write: Callable[[datetime], bytes]) -> None:
        """Answer then, unless the answer is lost; twice when that is what goes wrong."""
        if taken.fault is Fault.LOST_CALLBACK:
            return
        times = 2 if taken.fault is Fault.DUPLICATE_CALLBACK else 1

        async def say() -> None:
            content = write(self.world.clock.now())
            for number in range(times):
                await taken.answer(f"{taken.file.message_id}-{self._reports}-{number}.xml", content)

        self.world.at(self.world.clock.now() + after, say)


def _said(transfer: Transfer) -> Said:
    if transfer.state is State.SUCCEEDED:
        return Said("ACSC", None, transfer.told_minor, transfer.rail_ref)
    if transfer.state is State.DECLINED:
        return Said("RJCT", _REASONS[transfer.reason or Reason.REFUSED])
    if transfer.fault is Fault.LATE_SUCCESS:
        return Said("RJCT", "MS03")  # So it says; two days later it is paid after all.
    return Said("RJCT", "AC06") if transfer.state is State.REVERSED else Said("ACSP")


class NeftSandbox(BankFilesSandbox):
    """A bank that takes part in NEFT."""

    rail = "neft"


class RtgsSandbox(BankFilesSandbox):
    """A bank that takes part in RTGS: settles order by order."""

    rail = "rtgs"

    def __init__(self, world: World, *, takes: timedelta = timedelta(minutes=2)) -> None:
        super().__init__(world, takes=takes)
