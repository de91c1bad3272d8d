"""What is sealed, for whom, and who keeps the keys."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Binding:
    """The one record a secret is for. Sealed for one, it opens for no other. `tenant_id` None: the platform's own."""

    tenant_id: UUID | None
    kind: str  # Table or kind of record, e.g. "bank_connection".
    record_id: UUID | str

    def encode(self) -> bytes:
        """The same bytes for no two bindings."""
        tenant = b"" if self.tenant_id is None else self.tenant_id.bytes
        parts = (tenant, self.kind.encode(), str(self.record_id).encode())
        return b"".join(struct.pack(">H", len(part)) + part for part in parts)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key under a master key."""

    key_id: str
    data: bytes


class KeyProvider(Protocol):
    """Keeps master keys and never gives one away. The current one wraps; older ones only unwrap.

    `context` binds a wrapped key to what it is for: with another context it does not unwrap.
    Every method raises KeysUnavailable when the keys cannot be asked, and BadKeys when they are set up wrongly.
    """

    async def wrap(self, data_key: bytes, context: bytes) -> Wrapped: ...

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """Raises: KeyMissing, SecretDamaged."""
        ...

    async def current_key_id(self) -> str: ...

    async def key_ids(self) -> tuple[str, ...]: ...

    async def add_key(self) -> str:
        """Make a new master key; it is the current one from now on."""
        ...

    async def aclose(self) -> None: ...


class SecretFields(Mapping[str, str]):
    """Named secrets, opened. Shows names only, however it is printed."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = dict(fields)

    def __getitem__(self, name: str) -> str:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"<SecretFields {', '.join(sorted(self._fields))}>"

    def __reduce__(self) -> str:
        raise TypeError("opened secrets are not written down")
