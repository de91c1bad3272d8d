"""A rail of files, seen as a rail of single orders: for all that ask what a connection carries."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from omniroute.ports.rails import (
    Ack,
    Answer,
    Balance,
    Callback,
    Capabilities,
    CodeTable,
    Context,
    FileConnector,
    Holder,
    Institution,
    Outcome,
    Party,
    Payout,
    RailAnswerUnreadable,
    RailEvent,
    RailPolicy,
    RailUnable,
    Result,
    StatementPage,
)

_NO = "this rail takes files"


class ByFile:
    """Sends nothing by itself; to a question it says that nothing is known yet, because nobody can be asked."""

    def __init__(self, files: FileConnector) -> None:
        self.rail = files.rail
        self.files = files

    def capabilities(self) -> Capabilities:
        """As the rail of files."""
        return self.files.capabilities()

    def policy(self) -> RailPolicy:
        """As the rail of files."""
        return self.files.policy()

    def codes(self) -> Mapping[str, CodeTable]:
        """The one table, whatever the phase."""
        table = self.files.codes()["answer"]
        return {"submit": table, "query": table, "callback": table, "answer": table}

    def check(self, payout: Payout) -> None:
        """As the rail of files. Raises: RailUnable."""
        self.files.check(payout)

    def build_reference(self, context_public: Mapping[str, str], attempt_id: UUID, created_at: datetime) -> str:
        """As the rail of files."""
        return self.files.build_reference(context_public, attempt_id, created_at)

    async def submit(self, context: Context, payout: Payout) -> Result:
        """Raises: RailUnable."""
        raise RailUnable(_NO)

    async def query(self, context: Context, payout: Payout, provider_ref: str | None) -> Result:
        """Nothing known yet; when that has gone on long enough a person decides."""
        return Result(Outcome.ASKED, Answer(message="the bank answers by file"))

    async def resolve_party(self, context: Context, party: Party, *, our_ref: str) -> Holder:
        """Raises: RailUnable."""
        raise RailUnable(_NO)

    async def reverse(self, context: Context, payout: Payout, provider_ref: str, our_ref: str) -> Result:
        """Raises: RailUnable."""
        raise RailUnable(_NO)

    async def fetch_balances(self, context: Context) -> Sequence[Balance]:
        """None: they come with statements."""
        return []

    async def fetch_statement(self, context: Context, day: date, cursor: str | None) -> StatementPage:
        """Raises: RailUnable; statements come in as files."""
        raise RailUnable(_NO)

    async def list_institutions(self, context: Context) -> Sequence[Institution]:
        """Raises: RailUnable."""
        raise RailUnable(_NO)

    def read_callback(self, context: Context, callback: Callback) -> Sequence[RailEvent]:
        """Raises: RailAnswerUnreadable; what comes in is a file."""
        raise RailAnswerUnreadable(_NO)

    def acknowledge(self, callback: Callback) -> Ack:
        """200 and nothing else."""
        return Ack()
