"""Files out: the report of the check, and the result, as CSV; and pain.002 for a batch that came as pain.001."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime
from xml.sax.saxutils import escape

from omniroute.infra.postgres import Tx
from omniroute.kit import ids
from omniroute.kit.currency import exponent
from omniroute.kit.money import decimal_text
from omniroute.money.batches.errors import FormatNotOffered
from omniroute.money.batches.model import Batch, BatchFormat, Line
from omniroute.money.batches.reading import all_lines, reason_of, status_of

REPORT_COLUMNS = (
    "line",
    "reference",
    "amount",
    "currency",
    "payee",
    "outcome",
    "code",
    "field",
    "detail",
    "rail",
    "fee",
)
RESULT_COLUMNS = (
    "line", "reference", "amount", "currency", "payee_kind", "payee", "institution", "payee_name", "status", "reason",
    "detail", "payment_id", "payment_reference", "rail", "provider_reference", "receipt", "completed_at",
)  # fmt: skip
ANSWERS = {"03": "03", "09": "10", "10": "11", "11": "11"}
"""Version of pain.001 -> version of the pain.002 that answers it."""


async def report_csv(tx: Tx, batch: Batch) -> AsyncIterator[bytes]:
    """What the check found, a line a payment."""
    yield _row(REPORT_COLUMNS)
    async for line in all_lines(tx, batch.batch_id):
        problem = line.problem
        yield _row(
            (
                line.number,
                line.reference,
                _amount(line.amount_minor, line.currency),
                line.currency,
                line.payee.get("identifier"),
                line.state.value,
                None if problem is None else problem.code,
                None if problem is None else problem.field,
                None if problem is None else problem.detail,
                line.rail,
                _amount(line.fee_minor, line.currency),
            )
        )


async def result_csv(tx: Tx, batch: Batch) -> AsyncIterator[bytes]:
    """What became of each line."""
    yield _row(RESULT_COLUMNS)
    async for line in all_lines(tx, batch.batch_id):
        yield _row(
            (
                line.number,
                line.reference,
                _amount(line.amount_minor, line.currency),
                line.currency,
                line.payee.get("kind"),
                line.payee.get("identifier"),
                line.payee.get("institution"),
                line.payee.get("name"),
                status_of(line),
                reason_of(line),
                None if line.problem is None else line.problem.detail,
                None if line.payment_id is None else ids.show("pay", line.payment_id),
                line.payment_reference,
                line.rail,
                line.provider_ref,
                line.receipt,
                None if line.completed_at is None else line.completed_at.isoformat(),
            )
        )


def _amount(minor: int | None, currency: str | None) -> str | None:
    return None if minor is None or currency is None else decimal_text(minor, exponent(currency))


def _row(cells: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(["" if cell is None else _harmless(str(cell)) for cell in cells])
    return text.getvalue().encode()


def _harmless(text: str) -> str:
    """A cell that a spreadsheet does not take for a formula."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


async def pain_002(tx: Tx, batch: Batch, *, now: datetime) -> AsyncIterator[bytes]:
    """The bank's own answer to a pain.001, payment by payment.

    Raises: FormatNotOffered.
    """
    if batch.format is not BatchFormat.PAIN_001:
        raise FormatNotOffered(format="pain.002")
    namespace = f"urn:iso:std:iso:20022:tech:xsd:pain.002.001.{ANSWERS[batch.origin['version']]}"
    message_id = ids.show("bat", batch.batch_id)
    stamp = now.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
    yield (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{namespace}"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>{message_id}</MsgId><CreDtTm>{stamp}</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{escape(batch.origin['message_id'][:35])}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pain.001.001.{batch.origin['version']}</OrgnlMsgNmId>"
        f"<OrgnlNbOfTxs>{batch.total_count}</OrgnlNbOfTxs><GrpSts>{_group_status(batch)}</GrpSts></OrgnlGrpInfAndSts>"
    ).encode()
    open_group: str | None = None
    async for line in all_lines(tx, batch.batch_id):
        origin = line.origin or {}
        group = origin.get("info_id") or "NOTPROVIDED"
        if group != open_group:
            closing = "" if open_group is None else "</OrgnlPmtInfAndSts>"
            yield f"{closing}<OrgnlPmtInfAndSts><OrgnlPmtInfId>{escape(group)}</OrgnlPmtInfId>".encode()
            open_group = group
        yield _transaction(line).encode()
    yield b"</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>\n"


def _transaction(line: Line) -> str:
    origin = line.origin or {}
    status = _STATUS.get(status_of(line), "PDNG")
    parts = [f"<TxInfAndSts><StsId>{line.number}</StsId>"]
    for tag, key in (("OrgnlInstrId", "instruction_id"), ("OrgnlEndToEndId", "end_to_end_id")):
        if origin.get(key):
            parts.append(f"<{tag}>{escape(origin[key])}</{tag}>")
    parts.append(f"<TxSts>{status}</TxSts>")
    reason = reason_of(line)
    if reason is not None and status != "ACSC":
        parts.append(f"<StsRsnInf><Rsn><Prtry>{escape(reason[:35])}</Prtry></Rsn>")
        if line.problem is not None:
            parts.append(f"<AddtlInf>{escape(line.problem.detail[:105])}</AddtlInf>")
        parts.append("</StsRsnInf>")
    return "".join([*parts, "</TxInfAndSts>"])


_STATUS = {
    "CONFIRMED": "ACSC",
    "FAILED": "RJCT",
    "REVERSED": "RJCT",
    "EXPIRED": "RJCT",
    "INVALID": "RJCT",
    "CANCELLED": "RJCT",
}
"""Status customers know -> ISO 20022. Whatever is not over is PDNG."""


def _group_status(batch: Batch) -> str:
    if batch.successful_count == batch.total_count:
        return "ACSC"
    if batch.failed_count == batch.total_count:
        return "RJCT"
    return "PART" if batch.successful_count or batch.failed_count else "PDNG"
