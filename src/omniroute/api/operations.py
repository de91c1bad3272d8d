"""An operation: one method on one path, declared beside its handler. Routes and the OpenAPI document are made of these.

    @operation("POST", "/v1/{tenant}/branches", tag="Branches", body=BranchIn, reply=BranchOut, status=201,
               permission=Permission.BRANCHES_WRITE, idempotent=True, refusals=("tenants.branch_code_taken",))
    async def create_branch(call: Call, tx: Tx, body: BranchIn) -> Reply: ...

A handler gets the call, the open transaction (read-only for GET; none with `transaction=False`), then the body and the
query if the operation declares them. It never commits, never sees a header, and answers with a struct or a `Reply`.
With `whole`, the permission must be held in the whole organisation, not just in some branches. `sorts` are the orders
of a list, the usual one first. What strangers send in a form of their own is `raw`: the handler gets a `Raw`.
A file is sent as one of the content types in `upload`: the handler gets an `Upload`.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

import msgspec

from omniroute.api.bodies import Spooled
from omniroute.parties.access import Permission

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Handler = Callable[..., Awaitable[Any]]
RawBytesMax = Callable[[Any, Mapping[str, str]], Awaitable[int]]
"""How large a raw body may be, by services and path, before a byte of it is read."""
JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"
CSV_TYPE = "text/csv; charset=utf-8"


class Access(Enum):
    """Who may knock."""

    OPEN = "open"  # Everybody.
    CALLER = "caller"  # Whoever has credentials.
    TENANT = "tenant"  # Credentials of the organisation that the path names.


class Reply(msgspec.Struct, frozen=True):
    """An answer that is more than its content: a version (becomes the ETag), another status, other bytes."""

    content: object
    version: int | None = None
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON_TYPE


class Raw(msgspec.Struct, frozen=True):
    """A request whose form is not ours: bytes, headers by lower-case name, query. What a `raw` operation gets."""

    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Raw({len(self.body)} bytes)"  # No secret gets into a log.


class Upload(msgspec.Struct, frozen=True):
    """A file that was sent as the body: what an operation with `upload` gets, before the query."""

    content: Spooled
    content_type: str
    charset: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """What one address does, for routing, for running and for the document."""

    method: Method
    path: str
    handler: Handler
    name: str
    summary: str
    description: str
    tag: str
    status: int
    access: Access
    permission: Permission | None = None
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    reply: Any = None
    idempotent: bool = False
    key_kept_by: Literal["door", "ledger"] = "door"
    versioned: bool = False
    changes_version: bool = False
    whole: bool = False
    secret: bool = False
    bulk: bool = False
    hot: bool = False
    transaction: bool = True
    csv: bool = False
    form: bool = False
    raw: bool = False
    raw_bytes_max: RawBytesMax | None = None
    upload: tuple[str, ...] = ()
    upload_bytes_max: int = 0
    media_type: str = JSON_TYPE
    statuses: tuple[int, ...] = ()
    refusals: tuple[str, ...] = ()
    sorts: tuple[str, ...] = ()
    example: Mapping[str, Any] | None = None
    example_query: Mapping[str, str] = field(default_factory=dict)
    example_reply: Any = None

    @property
    def path_parameters(self) -> list[str]:
        """Names in braces, in order."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def kept_by_door(self) -> bool:
        """The door stores the reply in the transaction of the effect (else the ledger's own claim does)."""
        return self.idempotent and self.key_kept_by == "door"


def operation(
    method: Method, path: str, *, tag: str, status: int = 200, access: Access | None = None, **declared: Any
) -> Callable[[Handler], Operation]:
    """Declare a handler as an operation. The first line of its docstring is the summary."""

    def declare(handler: Handler) -> Operation:
        doc = (handler.__doc__ or "").strip()
        assert doc, f"{handler.__name__} needs a docstring: it is the public text"
        summary, _, rest = doc.partition("\n")
        description = "\n".join(line.strip() for line in rest.strip().splitlines())
        where = access or (Access.TENANT if "{tenant}" in path else Access.CALLER)
        return Operation(
            method=method,
            path=path,
            handler=handler,
            name=handler.__name__,
            summary=summary.rstrip("."),
            description=description,
            tag=tag,
            status=status,
            access=where,
            **declared,
        )

    return declare


def found_in(*modules: object) -> list[Operation]:
    """The operations declared in these modules, in the order they are written."""
    return [thing for module in modules for thing in vars(module).values() if isinstance(thing, Operation)]
