"""Handing one file over, once, and what is known of it then."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from omniroute.infra.http import ExchangeFailed, Request, Sent
from omniroute.money.payments.files.folders import FOLDER, Folders
from omniroute.money.payments.links import Link

PURPOSE = "file"
UPLOAD_TIMEOUT_S = 120


class Handed(StrEnum):
    """What became of a delivery."""

    YES = "delivered"
    NO = "made"  # Certainly not: the same bytes may go again.
    DOUBT = "doubtful"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The end of one delivery, in a word and in words."""

    handed: Handed
    detail: str | None = None


async def hand_over(folders: Folders, tenant_id: UUID, link: Link, name: str, content: bytes) -> Delivery:
    """Put a file where the bank fetches it, or send it. Never raises: what is not certain is in doubt."""
    endpoint = link.context.credentials.endpoint
    if endpoint == FOLDER:
        try:
            await asyncio.to_thread(folders.put, tenant_id, link.connection_id, name, content)
        except OSError as error:
            return Delivery(Handed.NO, f"it could not be put into the outbox: {error.strerror}")
        return Delivery(Handed.YES)
    headers = {
        "content-type": "application/xml",
        "x-file-name": name,
        "x-answer-url": link.context.callback_url(PURPOSE, "answers"),
    }
    token = link.context.credentials.secret.get("token")
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    request = Request(
        "POST",
        f"{endpoint}/files",
        "file",
        headers,
        content,
        submit=True,
        read_timeout_s=UPLOAD_TIMEOUT_S,
        secrets=frozenset({"x-answer-url"}),  # It carries the code that proves an answer.
    )
    try:
        reply = await link.context.http.exchange(request)
    except ExchangeFailed as failed:
        return Delivery(Handed.NO if failed.sent is Sent.NO else Handed.DOUBT, str(failed))
    if 200 <= reply.status < 300:
        return Delivery(Handed.YES)
    # A refusal by a status code alone proves nothing: something on the way may have said it after the bank had it.
    return Delivery(Handed.DOUBT, f"HTTP {reply.status}")
