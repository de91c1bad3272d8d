"""The OpenAPI 3.1 document, made from the declared operations: deterministic, with examples and every status.

The statuses of an operation follow from what it declares: an operation with a body can answer 413 and 415, one with
a key 409 and 422, one that changes a version 412 and 428, and each refusal adds the status of its kind.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from omniroute import __version__
from omniroute.api import errors
from omniroute.api.call import PREFIXES
from omniroute.api.examples import example_of
from omniroute.api.operations import CSV_TYPE, FORM_TYPE, JSON_TYPE, Access, Operation
from omniroute.api.problems import INTERNAL, METHOD_NOT_ALLOWED, PROBLEM_TYPE, STATUS, problem
from omniroute.infra.idempotency import KeyInFlight, KeyReused
from omniroute.kit.currency import UnknownCurrency
from omniroute.kit.ids import MalformedId
from omniroute.kit.paging import ForeignCursor, MalformedCursor, UnknownSort
from omniroute.kit.refusal import Refusal
from omniroute.parties import access

REF = "#/components/schemas/{name}"
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_ID_PATTERN = "[0-9a-hjkmnp-tv-z]{26}$"

GATE = (
    "access.credentials_missing", "access.credentials_malformed", "access.credentials_unknown",
    "access.credentials_expired", "access.organisation_inactive", "access.provider_unreachable",
)  # fmt: skip

STATUS_TEXT = {
    200: "Done", 201: "Created", 202: "Accepted", 204: "Done; nothing to show", 302: "Elsewhere",
    304: "Not changed since the ETag you sent", 400: "The request itself is wrong",
    401: "Credentials are missing or wrong",
    403: "The permission is missing", 404: "Not found, or not yours to know of", 405: "The method is not known here",
    409: "Clashes with what already happened", 412: "Changed since you read it", 413: "Too large",
    415: "The content type is not read here", 422: "A business rule said no", 428: "If-Match is missing",
    429: "Too many; wait `Retry-After` seconds", 500: "Our mistake",
    503: "Not now; nothing happened; repeat with the same key",
}  # fmt: skip

TAGS = {
    "Organisations": "Organisations, their settings, and links between them.",
    "Branches": "Branches of an organisation, and the applications that work for it.",
    "Partners": "Who trades with an organisation in its network.",
    "People": "Users, invitations, roles and grants.",
    "Keys": "API keys, OAuth2 clients and outside identity providers.",
    "OAuth": "Tokens for machines.",
    "Accounts": "Ledger accounts: what they are, their limits, balances and statements.",
    "Transactions": "Balanced postings, batches and reversals.",
    "Holds": "Money set aside: capture it in parts, or let it go.",
    "Reports": "Trial balance, balance sheet, profit and loss, general ledger; as JSON or CSV.",
    "Periods": "Accounting periods and their closing.",
    "Rates": "Exchange rates, quotes and conversions.",
    "Payments": "Payments out: initiate, approve, follow; what is unknown and what does not add up.",
    "Reconciliation": "What the books expect and what banks say: matches, and what has none.",
    "Schedules": "Standing orders: payments on dates to come.",
    "Settlements": "What was collected by authority is paid out, and what collectors have in hand is paid in.",
    "Desk": "What a person decides on evidence, and a second one agrees to.",
    "Virtual accounts": "Account numbers that providers lend, and the money that comes in on them.",
    "Authority to collect": "Who may collect money for whom, on which terms.",
    "Payment policies": "What an organisation has decided about its payments: routes, fees, approvals, limits.",
    "Institutions": "Banks and operators that can be paid.",
    "Batches": "Files of payments: checked line by line, approved as a whole, paid line by line.",
    "Connections": "Bank connections: how an organisation reaches its accounts at rails.",
    "Bank files": "Files of orders to banks that take no other, and what became of them.",
    "Rails": "Where rails call us.",
    "Actions": "Handlers for the actions of a Hasura engine.",
    "Ledger check": "Whether the books are right, and what is not.",
    "Events": "What happened, in order.",
    "Webhooks": "Events sent to where an organisation wants them, and what became of each.",
    "Audit": "Proofs that nothing was changed afterwards.",
    "Health": "About this process.",
}

_DESCRIPTION = """\
A double-entry ledger for many organisations, and the people and keys that use it.

**Money** is a whole number of minor units (kobo, cents) with an ISO 4217 currency. Send a number or a string of
digits; beyond 2^53-1 we answer with a string. Numbers with a fraction or an exponent are refused.
**Repeats**: every request that creates or moves needs an `Idempotency-Key`; the same key and body gets the same bytes
back (with `Idempotency-Replayed: true`), for at least 30 days. Another body under the same key is refused with 422,
a repeat while the first is being worked on with 409.
**Changes** need `If-Match` with the `ETag` that was read. **Lists** take `limit`, `cursor` and `sort`. **Errors** are
RFC 9457 problems; `code` is stable for ever. Objects that name a member twice are refused.
"""


def document_of(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document of these operations, as plain values; equal for equal code."""
    tags = {op.tag for op in operations}
    kinds = _struct_kinds(operations)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REF)
    by_kind = dict(zip(map(repr, kinds), schemas, strict=True))
    components["Problem"] = _problem_schema()
    paths: dict[str, dict[str, Any]] = {}
    for op in operations:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op, by_kind, components)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "OmniRoute",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in tags],
        "paths": paths,
        "components": {
            "schemas": {name: _tidy(components[name]) for name in sorted(components)},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, a token from /oauth/token, or a session or provider token.",
                },
                "oauth": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {
                            "tokenUrl": "/oauth/token",
                            "scopes": {str(p): str(p) for p in access.Permission},
                        }
                    },
                },
            },
        },
    }  # fmt: skip
    # One pass through JSON: what is not plain (dates, enums) becomes what goes on the wire.
    plain: dict[str, Any] = json.loads(msgspec.json.encode(document))
    return plain


def _struct_kinds(operations: Iterable[Operation]) -> list[Any]:
    kinds: dict[str, Any] = {}
    for op in operations:
        for kind in (op.body, op.query, op.reply):
            if kind is not None and kind is not str:
                kinds[repr(kind)] = kind
    return list(kinds.values())


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "title": "Problem",
        "description": "What went wrong (RFC 9457). More members are facts; `code` is stable for ever.",
        "type": "object",
        "properties": {
            "type": text | {"format": "uri-reference"}, "title": text, "status": {"type": "integer"}, "detail": text,
            "code": text | {"pattern": r"^[a-z0-9_]+(\.[a-z0-9_]+)+$"},
        },
        "required": ["type", "title", "status", "detail", "code"],
    }  # fmt: skip


def _tidy(schema: Any) -> Any:
    """Defaults of nullable fields say nothing; struct titles repeat their name."""
    if isinstance(schema, dict):
        return {k: _tidy(v) for k, v in schema.items() if not (k == "default" and v is None)}
    return [_tidy(item) for item in schema] if isinstance(schema, list) else schema


def refusals_of(op: Operation) -> list[type[Refusal]]:
    """Every refusal the operation can answer with, in the order in which they are checked."""
    found: list[type[Refusal]] = []
    if op.access is not Access.OPEN:
        found += [Refusal.by_code[code] for code in GATE]
    if op.access is Access.TENANT:
        found.append(errors.RouteNotFound)
    if op.permission is not None:
        found.append(Refusal.by_code["access.permission_missing"])
    found += [errors.MalformedText] if op.raw else [errors.MalformedText, errors.UnknownParameter]
    if op.upload:
        found += [errors.ContentTypeUnsupported, errors.BodyTooLarge, errors.MalformedRequest]
    if op.raw:
        found += [errors.MalformedRequest, errors.BodyTooLarge]
    if any(name != "tenant" for name in op.path_parameters):
        found.append(MalformedId)
    if op.query is not None:
        found += [errors.RepeatedParameter, errors.InvalidParameter]
    if op.sorts:
        found += [UnknownSort, MalformedCursor, ForeignCursor]
    if op.idempotent:
        found += [errors.KeyMissing, errors.MalformedKey, KeyInFlight, KeyReused]
    if op.changes_version:
        found += [errors.VersionRequired, errors.MalformedVersion, errors.VersionStale]
    if op.body is not None:
        found += [errors.ContentTypeUnsupported, errors.BodyTooLarge, errors.InvalidField]
        if not op.form:
            found += [errors.MalformedJson, errors.FractionalNumber, errors.DuplicateMember, errors.TooDeep]
            found.append(UnknownCurrency)
    found += [Refusal.by_code[code] for code in op.refusals]
    if op.transaction or op.access is not Access.OPEN or op.kept_by_door:
        found.append(errors.Unavailable)
    return list(dict.fromkeys(found))


def _operation(op: Operation, by_kind: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    scopes = [str(op.permission)] if op.permission else []
    page: dict[str, Any] = {
        "operationId": op.name,
        "summary": op.summary,
        "description": op.description or op.summary + ".",
        "tags": [op.tag],
        "parameters": _parameters(op, by_kind, components),
        "responses": _responses(op, by_kind, components),
        "security": [] if op.access is Access.OPEN else [{"key": []}, {"oauth": scopes}],
    }  # fmt: skip
    if op.permission is not None:
        page["description"] += f"\n\nPermission: `{op.permission}`."
    if op.upload:
        file = {"schema": {"type": "string", "format": "binary"}}
        page["requestBody"] = {"required": True, "content": {kind: dict(file) for kind in op.upload}}
    if op.raw:
        page["requestBody"] = {"required": False, "content": {"*/*": {}}}
    if op.body is not None:
        media: dict[str, Any] = {"schema": by_kind[repr(op.body)]}
        if op.example is not None:
            media["example"] = op.example
        schema = components[op.body.__name__]
        page["requestBody"] = {
            "required": bool(schema.get("required")),
            "content": {FORM_TYPE if op.form else JSON_TYPE: media},
        }
    return page


def _parameters(op: Operation, by_kind: dict[str, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    found = [_path_parameter(name) for name in op.path_parameters]
    if op.query is not None:
        schema = components[op.query.__name__]
        for name, kind in schema["properties"].items():
            plain = {k: v for k, v in _not_null(kind).items() if k not in ("description", "examples")}
            one: dict[str, Any] = {"name": name, "in": "query", "required": name in schema.get("required", ())}
            one |= {"schema": _tidy(plain), "description": kind.get("description", name)}
            if name == "sort":
                one["schema"] = {"type": "string", "enum": list(op.sorts), "default": op.sorts[0]}
            if name in op.example_query:
                one["example"] = op.example_query[name]
            found.append(one)
    if op.idempotent:
        text = "Chosen by you, unique per request; a UUID is good. Repeating the request with it does nothing twice."
        found.append(
            {"name": "Idempotency-Key", "in": "header", "required": True, "description": text,
             "schema": {"type": "string", "maxLength": 255, "pattern": r"^[!#-~]([!#-~ ]{0,253}[!#-~])?$"},
             "example": "8e03978e-40d5-43e8-bc93-6894a57f9324"}
        )  # fmt: skip
    if op.changes_version:
        found.append(
            {"name": "If-Match", "in": "header", "required": True, "description": "The ETag you read.",
             "schema": {"type": "string", "pattern": r'^"[0-9]{1,18}"$'}, "example": '"1"'}
        )  # fmt: skip
    if op.versioned and op.method == "GET":
        found.append(
            {"name": "If-None-Match", "in": "header", "required": False,
             "description": "Answer 304 if the ETag is still this.", "schema": {"type": "string"}}
        )  # fmt: skip
    return found


def _not_null(kind: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is absent or has a value; it is never null."""
    options = [option for option in kind.get("anyOf", ()) if option.get("type") != "null"]
    if not kind.get("anyOf"):
        return {k: v for k, v in kind.items() if not (k == "default" and v is None)}
    return options[0] if len(options) == 1 else {"anyOf": options}


def _path_parameter(name: str) -> dict[str, Any]:
    page: dict[str, Any] = {"name": name, "in": "path", "required": True}
    if name == "tenant":
        schema: dict[str, Any]
        text, schema, example = "The organisation: its slug or its `org_` id.", {"minLength": 1}, "kano-foods"
    elif name in PREFIXES:
        prefix = PREFIXES[name]
        text, example = f"Id of the {name}.", f"{prefix}_01jd3m8q4vv8k8x2n0c5t7yh6r"
        schema = {"pattern": f"^{prefix}_{_ID_PATTERN}"}
    elif name == "account":
        text, schema, example = "The account: its code or its `acc_` id.", {"minLength": 1}, "wallet:amina"
    elif name == "group":
        text, schema, example = "Your id of the group.", {"format": "uuid"}, "8e03978e-40d5-43e8-bc93-6894a57f9324"
    else:
        text, schema, example = f"The {name}.", {"minLength": 1}, name
    return page | {"description": text, "schema": {"type": "string"} | schema, "example": example}


def _headers(*names: str) -> dict[str, Any]:
    known = {
        "ETag": ("The version; send it back in If-Match.", {"type": "string"}),
        "Idempotency-Replayed": (
            "Present and `true` when this is the stored reply of an earlier request.",
            {"const": "true"},
        ),
        "Retry-After": ("Whole seconds to wait.", {"type": "integer", "minimum": 1}),
        "WWW-Authenticate": ("How to authenticate.", {"type": "string"}),
        "X-Correlation-Id": ("The request's id in our logs and events.", {"type": "string", "format": "uuid"}),
    }
    return {name: {"description": known[name][0], "schema": known[name][1]} for name in names}


def _responses(op: Operation, by_kind: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    replayed = ("Idempotency-Replayed",) if op.idempotent else ()
    media: dict[str, Any] = {"schema": {"type": "string"} if op.reply is str else by_kind.get(repr(op.reply), {})}
    if op.example_reply is not None:
        media["example"] = op.example_reply
    elif op.media_type == JSON_TYPE and by_kind.get(repr(op.reply)):
        media["example"] = example_of(media["schema"], components)
    good: dict[str, Any] = {"description": STATUS_TEXT[op.status]}
    good["headers"] = _headers("X-Correlation-Id", *(("ETag",) if op.versioned else ()), *replayed)
    if op.reply is not None:
        good["content"] = {op.media_type: media}
        if op.csv:
            good["content"][CSV_TYPE.partition(";")[0]] = {"schema": {"type": "string"}}
    found: dict[int, dict[str, Any]] = {op.status: good}
    for status in op.statuses:
        found[status] = good | {"description": STATUS_TEXT[status]}
    if op.versioned and op.method == "GET":
        found[304] = {"description": STATUS_TEXT[304], "headers": _headers("X-Correlation-Id", "ETag")}
    examples: dict[int, dict[str, Any]] = {}
    for refusal in refusals_of(op):
        status = STATUS[refusal.kind]
        value = json.loads(problem(refusal()).body)
        examples.setdefault(status, {})[refusal.code] = {"summary": refusal.title(), "value": value}
    for status in (METHOD_NOT_ALLOWED, INTERNAL):
        examples.setdefault(status, {})
    for status, by_code in examples.items():
        extra = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}.get(status, ())
        again = replayed if status in (400, 404, 409, 412, 413, 422) else ()
        content: dict[str, Any] = {"schema": _PROBLEM} | ({"examples": by_code} if by_code else {})
        page: dict[str, Any] = {
            "description": STATUS_TEXT[status],
            "headers": _headers("X-Correlation-Id", *extra, *again),
        }
        page["content"] = {PROBLEM_TYPE: content}
        if status in found:
            page["content"] |= found[status].get("content", {})
        found[status] = page
    return {str(status): found[status] for status in sorted(found)}


def error_codes() -> list[tuple[str, str, int, str]]:
    """Every public error: code, first sentence, status, full text. For the errors page and docs/errors.md."""
    rows = [
        ("api.internal_error", STATUS_TEXT[INTERNAL], INTERNAL, "Recorded under the correlation id in the header."),
        ("api.method_not_allowed", STATUS_TEXT[405], METHOD_NOT_ALLOWED, "`allowed` lists the methods it knows."),
    ]
    for code, refusal in Refusal.by_code.items():
        rows.append((code, refusal.title(), STATUS[refusal.kind], re.sub(r"\s+", " ", refusal.__doc__ or "").strip()))
    return sorted(rows)


assert set(STATUS.values()) <= STATUS_TEXT.keys()
