"""Taking in what rails call us with: stored byte for byte and acknowledged at once; believed, or not, later.

The dispatcher looks at it (`Dispatcher.hear`). The same bytes about the same thing are one row, however often sent.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from omniroute.infra.postgres import Tx
from omniroute.kit.ids import uuid7
from omniroute.money.payments import store

HEADERS_KEPT = frozenset(
    {
        "content-type", "user-agent", "date", "digest", "signature", "x-signature", "x-auth-signature", "x-callback-id",
        "x-correlationid", "x-reference-id", "x-date", "x-country", "x-currency", "monnify-signature",
    }
)  # fmt: skip
"""What a rail may say beside the body. Nothing that could log somebody in is kept."""
SIGNATURES = ("monnify-signature",)
"""Headers that sign the bytes of the body, and nothing else: a true repeat has the same."""
HEADER_LENGTH_MAX = 2_000


async def receive(
    tx: Tx,
    connection_id: UUID,
    *,
    purpose: str,
    ref: str,
    authentic: bool,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> tuple[UUID, bool]:
    """Store a call of a rail; its id, and whether it is new. `headers` have lower-case names."""
    kept = {name: value[:HEADER_LENGTH_MAX] for name, value in headers.items() if name in HEADERS_KEPT}
    signatures = [kept[name] for name in SIGNATURES if name in kept]
    row = await tx.one(
        store.SQL.insert_provider_event,
        tenant=tx.tenant,
        event=uuid7(),
        connection=connection_id,
        hash=content_hash(purpose, ref, authentic, body, signatures=signatures),
        purpose=purpose,
        ref=ref,
        authentic=authentic,
        headers=store.jsonb(kept),
        body=body,
        now=now,
    )
    return row.event_id, row.repeats == 0


def content_hash(purpose: str, ref: str, authentic: bool, body: bytes, *, signatures: Sequence[str] = ()) -> bytes:
    """By this a repeat is known. What came under a wrong code or with a wrong signature is another thing than the same
    under the right one: else who guesses the content first could make the rail's own call look like a repeat of a
    forged one."""
    about = "".join(f"{part}\x1f" for part in (purpose, ref, "y" if authentic else "n", *signatures))
    return sha256(about.encode() + body).digest()
