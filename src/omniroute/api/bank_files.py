"""Files of orders to banks over HTTP: which there are, what stands in them, and one made without waiting."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.errors import Unavailable
from omniroute.api.operations import Reply, operation
from omniroute.api.shapes import AmountOut, In, Instant, ListIn, Out, PageOut, page, parse_id
from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.money import json_amount
from omniroute.kit.refusal import Kind, Refusal
from omniroute.money import connections, payments
from omniroute.money.connections import ConnectionStatus
from omniroute.money.connections.errors import OperationOff
from omniroute.money.payments import RailFileState, RailFileView
from omniroute.parties.access import Permission
from omniroute.ports.rails import Operation

_FILES = "/v1/{tenant}/bank-files"
_FILE = _FILES + "/{bank_file}"
XML_TYPE = "application/xml; charset=utf-8"
BankFileState = Literal["made", "delivering", "delivered", "doubtful", "withdrawn"]


class BankFileNotFound(Refusal):
    """There is no such file."""

    code = "payments.file_not_found"
    kind = Kind.NOT_FOUND


class BankFilesIn(ListIn):
    """Which files."""

    connection: Annotated[str, Meta(min_length=1, max_length=64, description="Id of the connection.")] | None = None
    state: BankFileState | None = None


class BankFileOut(Out):
    """A file of orders to a bank. `doubtful`: it may have arrived, and is never delivered again by itself.

    `answer_code`: what the bank said of the whole file; of single orders the payments tell.
    """

    id: str
    connection_id: str
    message_id: str
    name: str
    state: BankFileState
    order_count: int
    amount: AmountOut
    currency: str
    cut_off: Instant
    answers_by: Instant
    tries: int
    detail: str | None
    created_at: Instant
    sent_at: Instant | None
    answered_at: Instant | None
    answer_code: str | None


class SendNowIn(In):
    """Nothing is to be said."""


class BankFilesMadeOut(Out):
    """The files that were made, in order; none when nothing was to be sent. They are handed over at once."""

    items: list[BankFileOut]


_EXAMPLE: dict[str, Any] = {
    "id": "bfi_01jd3m8q4vv8k8x2n0c5t7yh6r", "connection_id": "con_01jd3m8q4vv8k8x2n0c5t7yh6r",
    "message_id": "0C9M3JS1V60R30C1G60R30C1G60R30C1G", "name": "pain001-0C9M3JS1V60R30C1G60R30C1G60R30C1G.xml",
    "state": "delivered", "order_count": 120, "amount": 60000000, "currency": "NGN",
    "cut_off": "2026-11-23T12:00:00Z", "answers_by": "2026-11-23T16:00:00Z", "tries": 1, "detail": None,
    "created_at": "2026-11-23T11:45:00Z", "sent_at": "2026-11-23T11:45:01Z", "answered_at": None,
    "answer_code": None,
}  # fmt: skip


def _file_out(file: RailFileView) -> BankFileOut:
    return BankFileOut(
        id=ids.show("bfi", file.file_id),
        connection_id=ids.show("con", file.connection_id),
        message_id=file.message_id,
        name=file.name,
        state=file.state.value,
        order_count=file.order_count,
        amount=json_amount(file.amount.amount_minor),
        currency=file.amount.currency,
        cut_off=file.cut_off,
        answers_by=file.answers_by,
        tries=file.tries,
        detail=file.detail,
        created_at=file.created_at,
        sent_at=file.sent_at,
        answered_at=file.answered_at,
        answer_code=file.answer_code,
    )


@operation(
    "GET", _FILES, tag="Bank files", permission=Permission.CONNECTIONS_READ, whole=True, query=BankFilesIn,
    reply=PageOut[BankFileOut], sorts=payments.FILES.sorts, refusals=("kit.malformed_id",),
    example_query={"state": "doubtful"}, example_reply={"items": [_EXAMPLE], "next_cursor": None},
)  # fmt: skip
async def list_bank_files(call: Call, tx: Tx, query: BankFilesIn) -> PageOut[BankFileOut]:
    """List files of orders to banks, the newest first."""
    found = await payments.list_files(
        tx,
        connection_id=parse_id("con", query.connection),
        state=None if query.state is None else RailFileState(query.state),
        sort=query.sort,
        limit=query.limit,
        cursor=query.cursor,
    )
    return page(found, _file_out)


@operation(
    "GET", _FILE, tag="Bank files", permission=Permission.CONNECTIONS_READ, whole=True, reply=BankFileOut,
    refusals=("payments.file_not_found",), example_reply=_EXAMPLE,
)  # fmt: skip
async def get_bank_file(call: Call, tx: Tx) -> BankFileOut:
    """Show a file and what became of it."""
    found = await payments.find_file(tx, call.id("bank_file"))
    if found is None:
        raise BankFileNotFound()
    return _file_out(found)


@operation(
    "GET", _FILE + "/content", tag="Bank files", permission=Permission.CONNECTIONS_READ, whole=True, reply=str,
    media_type="application/xml", refusals=("payments.file_not_found",),
)  # fmt: skip
async def get_bank_file_content(call: Call, tx: Tx) -> Reply:
    """Show a file as it was, or will be, handed to the bank: byte for byte."""
    content = await payments.file_content(tx, call.id("bank_file"))
    if content is None:
        raise BankFileNotFound()
    return Reply(content, content_type=XML_TYPE)


@operation(
    "POST", "/v1/{tenant}/connections/{connection}/bank-files", tag="Bank files",
    permission=Permission.CONNECTIONS_WRITE, whole=True, transaction=False, body=SendNowIn, reply=BankFilesMadeOut,
    refusals=("connections.not_found", "connections.operation_off", "rails.unable", "api.unavailable"), example={},
    example_reply={"items": [_EXAMPLE | {"state": "made", "sent_at": None, "tries": 0}]},
)  # fmt: skip
async def send_bank_files_now(call: Call, body: SendNowIn) -> BankFilesMadeOut:
    """Make files of all that waits for a session of this connection, without waiting for it.

    Nothing is sent that is not approved; the rules are looked at once more. Saying it twice sends nothing twice.
    """
    db, files = call.services.db, call.services.payments.files
    async with db.tx(call.tenant_id, readonly=True) as tx:
        found = await connections.find_connection(tx, call.id("connection"))
    if found.status is not ConnectionStatus.ACTIVE or Operation.BULK_FILE not in found.operations:
        raise OperationOff(operation=Operation.BULK_FILE.value, status=found.status.value)
    if files is None:
        raise Unavailable("this process makes no files")
    try:
        made = await files.send_now(call.tenant_id, found.connection_id)
    except payments.LinkDown as down:
        raise Unavailable(str(down)) from down
    async with db.tx(call.tenant_id, readonly=True) as tx:
        views = [await payments.find_file(tx, file_id) for file_id in made]
    return BankFilesMadeOut(items=[_file_out(view) for view in views if view is not None])
