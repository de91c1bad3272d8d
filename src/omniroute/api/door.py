"""How every request is worked: who, where, may they, what; then one transaction; then the answer.

The order is the order of precedence of refusals: credentials (401), organisation in the path (404), permission (403),
path, query and header form (400, 428), content type and size (415, 413), body (400), then the service's own.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes
from uuid import UUID

import msgspec

from omniroute.api import bodies
from omniroute.api.call import Call, Limits, Services
from omniroute.api.errors import (
    InvalidParameter,
    KeyMissing,
    MalformedKey,
    MalformedText,
    MalformedVersion,
    RepeatedParameter,
    RouteNotFound,
    Unavailable,
    UnknownParameter,
    VersionRequired,
    VersionStale,
)
from omniroute.api.operations import FORM_TYPE, JSON_TYPE, Access, Operation, Raw, Reply, Upload
from omniroute.api.problems import Answer, problem
from omniroute.api.spools import Spool
from omniroute.infra import idempotency
from omniroute.infra.postgres import DatabaseUnavailable, StatementTimeout, Tx, WriteConflict
from omniroute.infra.secrets import KeysUnavailable
from omniroute.kit.refusal import Kind, Refusal
from omniroute.parties.access import Caller, Permission

# A refusal of these kinds is an outcome: it is kept and repeated. The others say "not now" or "not you".
KEPT_KINDS = frozenset(
    {Kind.INVALID, Kind.NOT_FOUND, Kind.CONFLICT, Kind.REFUSED, Kind.PRECONDITION_FAILED, Kind.TOO_LARGE}
)
REPLAYED = ("idempotency-replayed", "true")
# After such a change nobody may go on for the seconds that callers are remembered.
_CHANGES_ACCESS = frozenset(
    {
        Permission.KEYS_WRITE,
        Permission.ROLES_WRITE,
        Permission.PEOPLE_WRITE,
        Permission.OIDC_WRITE,
        Permission.ORGANISATION_CLOSE,
        Permission.PLATFORM_ORGANISATIONS_SUSPEND,
    }
)

_ETAG = re.compile(r'"(\d{1,18})"')
_WEAK_OR_STRONG = re.compile(r'(?:W/)?"[^"\x00-\x20\x7f]*"')
_LARGE = 64 * 1024
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPED = re.compile(r"\\(.)")
_encode = msgspec.json.Encoder().encode


class Incoming(msgspec.Struct, frozen=True):
    """A request as it came."""

    headers: Mapping[bytes, bytes]
    query: bytes
    path: Mapping[str, str]
    receive: bodies.Receive
    correlation_id: UUID
    address: str = ""

    def __repr__(self) -> str:
        return f"Incoming({self.correlation_id})"  # No secret gets into a log.


async def perform(services: Services, op: Operation, request: Incoming) -> Answer:
    """Work one request; refusals and faults come back as problems. Mistakes of ours are raised.

    One coroutine up to the handler: each further one would be entered again at every turn of the loop.
    """
    try:
        now = services.clock.now()
        authorization = request.headers.get(b"authorization")
        credentials = None if authorization is None else authorization.decode("latin-1")
        caller = None
        if op.access is not Access.OPEN:
            caller = await services.authenticator.authenticate(credentials, now=now, tenant=request.path.get("tenant"))
        call, arguments = _admit(services, op, request, caller, credentials, now)
        value: object = None
        if op.raw:
            arguments.insert(0, await _take_raw(services, op, request))
        elif op.upload:
            return await _write_upload(call, op, arguments, request)
        elif op.body is not None:
            bytes_max = check_body(services.limits, op, request.headers)
            raw = await bodies.receive_body(request.receive, request.headers.get(b"content-length"), bytes_max)
            if len(raw) > _LARGE:
                value = await asyncio.to_thread(read_body, op, request.headers, raw)  # Keep the loop free for others.
            else:
                value = read_body(op, request.headers, raw)
            arguments.insert(0, bodies.shape(value, op.body))
        if not op.transaction:
            return render(op, await op.handler(call, *arguments), request.headers)
        if op.method == "GET":
            return await _read(call, op, arguments, request.headers)
        answer = await _write(call, op, arguments, value)
        if op.permission in _CHANGES_ACCESS:
            services.authenticator.forget()
        return answer
    except Refusal as refusal:
        return problem(refusal)
    except (DatabaseUnavailable, StatementTimeout, WriteConflict):
        return problem(Unavailable())
    except KeysUnavailable:
        return problem(Unavailable("the master keys of stored secrets cannot be asked at present"))


def _admit(
    services: Services, op: Operation, request: Incoming, whole: Caller | None, credentials: str | None, now: datetime
) -> tuple[Call, list[Any]]:
    """The call, once the caller may make it and its path, query and headers are in form; and the query, if any.

    Raises: RouteNotFound, PermissionMissing, and what reading these raises.
    """
    caller = whole
    if caller is not None:
        # Another organisation and no organisation look and cost the same: nothing is looked up.
        if op.access is Access.TENANT and not caller.is_of(request.path["tenant"]):
            raise RouteNotFound()
        if op.permission is not None:
            caller = caller.require(op.permission, whole=op.whole)
    for text in request.path.values():
        bodies.check_text(text)
    headers = request.headers
    query = None if op.raw else read_query(op, request.query)
    call = Call(
        services=services,
        gate=caller,
        permission=op.permission,
        path=request.path,
        now=now,
        correlation_id=request.correlation_id,
        key=read_key(headers.get(b"idempotency-key")) if op.idempotent else None,
        version=read_version(headers.get(b"if-match")) if op.changes_version else None,
        address=request.address,
        whole=whole,
        authorization=credentials,
    )
    return call, [] if query is None else [query]


async def _take_raw(services: Services, op: Operation, request: Incoming) -> Raw:
    bytes_max = services.limits.body_bytes_max
    if op.raw_bytes_max is not None:
        bytes_max = await op.raw_bytes_max(services, request.path)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.items()}
    length = request.headers.get(b"content-length")
    body = await bodies.receive_body(request.receive, length, bytes_max)
    query = dict(parse_qsl(request.query.decode("latin-1"), keep_blank_values=True))
    for text in (*query, *query.values()):
        bodies.check_text(text)
    return Raw(body, headers, query)


async def _write_upload(call: Call, op: Operation, arguments: list[Any], request: Incoming) -> Answer:
    headers = request.headers
    content_type, charset = bodies.content_type_of(headers.get(b"content-type"), op.upload)
    async with bodies.spooled(request.receive, headers.get(b"content-length"), op.upload_bytes_max) as content:
        value = [content_type, charset, content.digest.hex(), request.query.decode("latin-1")]
        return await _write(call, op, [Upload(content, content_type, charset), *arguments], value)


async def _read(call: Call, op: Operation, arguments: list[Any], headers: Mapping[bytes, bytes]) -> Answer:
    caller = call.gate
    tenant_id, branches = (None, None) if caller is None else (caller.tenant_id, caller.branches)
    async with call.services.db.tx(tenant_id, branches=branches, readonly=True) as tx:
        return render(op, await op.handler(call, tx, *arguments), headers)


async def _write(call: Call, op: Operation, arguments: list[Any], value: object) -> Answer:
    db, caller = call.services.db, call.gate
    tenant_id, branches = (None, None) if caller is None else (caller.tenant_id, caller.branches)
    if not op.kept_by_door or caller is None:

        async def work(tx: Tx) -> Answer:
            return render(op, await op.handler(call, tx, *arguments), {})

        return await db.run(work, tenant_id=tenant_id, branches=branches, idempotent=False)

    request = _keyed(call, op, value)

    async def once(tx: Tx) -> Answer:
        stored = await idempotency.claim(tx, request)
        if stored is not None:
            return _replay(stored)
        answer = render(op, await op.handler(call, tx, *arguments), {})
        await _keep(tx, call, op, request, answer)
        return answer

    try:
        return await db.run(once, tenant_id=tenant_id, branches=branches, idempotent=True)
    except (idempotency.KeyReused, idempotency.KeyInFlight):
        raise
    except Refusal as refusal:
        if refusal.kind not in KEPT_KINDS:
            raise
        answer = problem(refusal)

    async def keep(tx: Tx) -> Answer:
        # Between the roll-back and now another request with the key may have got through: then its reply counts.
        stored = await idempotency.claim(tx, request)
        if stored is not None:
            return _replay(stored)
        await _keep(tx, call, op, request, answer)
        return answer

    return await db.run(keep, tenant_id=tenant_id, branches=branches, idempotent=True)


def _keyed(call: Call, op: Operation, value: object) -> idempotency.Request:
    assert call.key is not None
    caller = call.caller
    path = "\n".join(f"{name}={text}" for name, text in sorted(call.path.items()) if name != "tenant")
    what = f"{op.method}\n{op.path}\n{path}\n".encode() + bodies.canonical(value)
    # An application keeps its keys over the rotation of its credentials.
    owner = caller.subject if caller.application_id is None else f"app:{caller.application_id}"
    return idempotency.Request(caller.tenant_id, owner, call.key, sha256(what).digest())


async def _keep(tx: Tx, call: Call, op: Operation, request: idempotency.Request, answer: Answer) -> None:
    reply = idempotency.StoredReply(answer.status, answer.headers, answer.body)
    await idempotency.store(tx, request, reply, secret=op.secret and answer.status < 400, now=call.now)


def _replay(stored: idempotency.StoredReply) -> Answer:
    return Answer(stored.status, (*stored.headers, REPLAYED), stored.body)


def render(op: Operation, result: object, headers: Mapping[bytes, bytes]) -> Answer:
    """What a handler answered, as bytes."""
    reply = result if isinstance(result, Reply) else Reply(result)
    if isinstance(reply.content, Refusal):
        refused = problem(reply.content)
        return Answer(refused.status, (*refused.headers, *reply.headers), refused.body)
    status = reply.status or op.status
    shown: list[tuple[str, str]] = []
    if reply.version is not None:
        tag = f'"{reply.version}"'
        shown.append(("etag", tag))
        if op.method == "GET" and _matches(headers.get(b"if-none-match"), tag):
            return Answer(304, tuple(shown), b"")
    shown.extend(reply.headers)
    if reply.content is None:
        return Answer(status, tuple(shown), b"")
    shown.insert(0, ("content-type", reply.content_type or JSON_TYPE))
    if isinstance(reply.content, Spool):
        return Answer(status, tuple(shown), b"", reply.content)
    body = reply.content if isinstance(reply.content, bytes) else _encode(reply.content)
    return Answer(status, tuple(shown), body)


def _matches(header: bytes | None, tag: str) -> bool:
    if header is None:
        return False
    text = header.decode("latin-1").strip()
    # Weak comparison (RFC 9110 section 13.1.2). What is not an ETag matches nothing.
    return text == "*" or tag in [found.removeprefix("W/") for found in _WEAK_OR_STRONG.findall(text)]


def read_key(header: bytes | None) -> str:
    """The idempotency key: a structured-field string, or the bare characters many clients send.

    Raises: KeyMissing, MalformedKey.
    """
    if header is None:
        raise KeyMissing()
    text = header.decode("latin-1").strip(" \t")
    if text.startswith('"'):
        quoted = _QUOTED.fullmatch(text)
        text = "" if quoted is None else _ESCAPED.sub(r"\1", quoted[1])
    if not 1 <= len(text) <= 255 or not text.isascii() or not text.isprintable() or text != text.strip():
        raise MalformedKey(length_max=255)
    return text


def read_version(header: bytes | None) -> int:
    """The version that If-Match names. `*` is not taken: a change names what it changes.

    Raises: VersionRequired, MalformedVersion, VersionStale for an ETag that cannot be ours.
    """
    if header is None:
        raise VersionRequired()
    text = header.decode("latin-1").strip()
    found = _ETAG.fullmatch(text)
    if found:
        return int(found[1])
    if _WEAK_OR_STRONG.fullmatch(text):
        raise VersionStale()  # Weak, or not a number: never equal to an ETag of ours.
    raise MalformedVersion(header="If-Match")


def read_query(op: Operation, raw: bytes) -> msgspec.Struct | None:
    """The query's parameters, against the list the operation declares.

    Raises: MalformedText, UnknownParameter, RepeatedParameter, InvalidParameter.
    """
    if not raw and op.query is None:
        return None
    given = read_pairs(raw, () if op.query is None else op.query.__struct_encode_fields__)
    if op.query is None:
        return None
    try:
        return msgspec.convert(given, op.query, strict=False)
    except msgspec.ValidationError as error:
        message, _, path = str(error).rpartition(" - at `")
        parameter = bodies.pointer(path.removesuffix("`")).removeprefix("/")
        raise InvalidParameter(bodies.shown(message or str(error)), parameter=parameter) from error


def read_pairs(raw: bytes, allowed: Sequence[str]) -> dict[str, str]:
    """`name=text&...` as a mapping, with nothing unknown and nothing twice.

    Raises: MalformedText, UnknownParameter, RepeatedParameter.
    """
    given: dict[str, str] = {}
    for pair in raw.split(b"&"):
        if not pair:
            continue
        name, _, text = (_unquote(part) for part in pair.partition(b"="))
        if name not in allowed:
            raise UnknownParameter(parameter=bodies.shown(name), allowed=sorted(allowed))
        if name in given:
            raise RepeatedParameter(parameter=name)
        given[name] = text
    return given


def _unquote(part: bytes) -> str:
    try:
        text = unquote_to_bytes(part.replace(b"+", b" ")).decode()
    except UnicodeDecodeError as error:
        raise MalformedText("the query is not UTF-8") from error
    bodies.check_text(text)
    return text


def check_body(limits: Limits, op: Operation, headers: Mapping[bytes, bytes]) -> int:
    """How many bytes a body may have, once it says it is of a type that is read here.

    Raises: ContentTypeUnsupported.
    """
    content_type = headers.get(b"content-type")
    if content_type is not None or headers.get(b"content-length") not in (None, b"0"):
        bodies.check_content_type(content_type, FORM_TYPE if op.form else JSON_TYPE)
    return limits.bulk_bytes_max if op.bulk else limits.body_bytes_max


def read_body(op: Operation, headers: Mapping[bytes, bytes], raw: bytes) -> object:
    """The JSON value of a body. An absent body stands for `{}`.

    Raises: ContentTypeUnsupported and what `bodies.decode` raises.
    """
    content_type = headers.get(b"content-type")
    if content_type is None:
        if not raw:
            return {}
        bodies.check_content_type(None, FORM_TYPE if op.form else JSON_TYPE)
    if op.form:
        assert op.body is not None
        return read_pairs(raw, op.body.__struct_encode_fields__)
    return bodies.decode(raw)
