"""Bringing stored secrets under the current master key."""

from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, field

from omniroute.infra.secrets.envelope import Vault
from omniroute.infra.secrets.errors import KeyMissing, SecretDamaged, SecretMisplaced
from omniroute.infra.secrets.model import Binding

Save = Callable[[Binding, bytes, bytes], Awaitable[bool]]


@dataclass(slots=True)
class Rotation:
    """What became of the records."""

    changed: int = 0
    current: int = 0  # Were under the current key already.
    overtaken: int = 0  # Somebody stored a new secret meanwhile; that one is newer anyway.
    failed: list[tuple[Binding, str]] = field(default_factory=list)  # With the code of the refusal.


async def rotate(
    vault: Vault, records: AsyncIterable[tuple[Binding, bytes]], save: Save, *, reencrypt: bool = False
) -> Rotation:
    """Rewrap every record, or encrypt it anew. May be broken off and repeated at any time.

    `save(binding, before, after)` stores `after` only where `before` still stands, and says whether it did.

    Raises: KeysUnavailable, BadKeys; what was saved before stays.
    """
    done = Rotation()
    async for binding, before in records:
        try:
            after = await (vault.reencrypt(binding, before) if reencrypt else vault.rewrap(binding, before))
        except (SecretDamaged, SecretMisplaced, KeyMissing) as refusal:
            done.failed.append((binding, refusal.code))
            continue
        if after == before:
            done.current += 1
        elif await save(binding, before, after):
            done.changed += 1
        else:
            done.overtaken += 1
    return done
