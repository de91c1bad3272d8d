"""What a bank's file says becomes state: of exactly the orders it speaks of. Out of order and twice is no harm."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from omniroute.infra.postgres import Tx, load
from omniroute.money.payments import outcomes, statements
from omniroute.money.payments.links import Link
from omniroute.money.payments.model import Source
from omniroute.money.payments.outcomes import Evidence
from omniroute.ports.rails import FileAnswer, FileConnector, Result

SQL = load("omniroute.money.payments.files")
CHUNK = 1_000


async def hear_file(
    tx: Tx, link: Link, files: FileConnector, content: bytes, *, now: datetime, today: date, actor: str
) -> list[Mapping[str, Any]]:
    """Apply what a file from the bank says; what was made of each part, for the record.

    Raises: RailAnswerUnreadable; nothing was applied then.
    """
    news = files.read_file(link.context.credentials.public, content)
    told = [await _apply(tx, link, files, answer, now=now, today=today, actor=actor) for answer in news.answers]
    if news.lines:
        fresh = await statements.take(tx, link, news.lines, now=now, today=today)
        told.append({"lines": len(news.lines), "new": fresh})
    return told


async def _apply(
    tx: Tx, link: Link, files: FileConnector, answer: FileAnswer, *, now: datetime, today: date, actor: str
) -> Mapping[str, Any]:
    message_id = answer.original_message_id
    file = await tx.one_or_none(
        SQL.file_by_message, tenant=tx.tenant, connection=link.connection_id, message_id=message_id
    )
    if file is None:
        return {"file": message_id[:64], "told": "not ours"}
    table = files.codes()["answer"]
    said: list[Evidence] = []
    for order in await tx.all(SQL.orders_of_file, tenant=tx.tenant, file=file.file_id):
        level, result = _about(answer, order.our_ref, order.block)
        if result is None:
            continue
        said.append(
            Evidence(
                order.attempt_id,
                replace(result, our_ref=order.our_ref),
                Source.CALLBACK,
                table.find(result.answer.code).code_class,
                link.policy,
                actor,
                {"file": message_id, "level": level},
            )
        )
    changed = 0
    for start in range(0, len(said), CHUNK):
        done = await outcomes.record(tx, said[start : start + CHUNK], now=now, today=today)
        changed += sum(one is not None and one.changed for one in done)
    group = answer.group.answer.code if answer.group is not None else None
    await tx.execute(SQL.set_answered, tenant=tx.tenant, file=file.file_id, code=group, now=now)
    return {"file": message_id, "orders": len(said), "changed": changed}


def _about(answer: FileAnswer, our_ref: str, block: str | None) -> tuple[str, Result | None]:
    """What is said of an order: of itself, else of its part of the file, else of the whole file."""
    for name, result in answer.results:
        if name == our_ref:
            return "order", result
    for name, result in answer.blocks:
        if name == block:
            return "block", result
    return "file", answer.group
