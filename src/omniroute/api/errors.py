"""What the door itself refuses, before any service is asked."""

from omniroute.kit.refusal import Kind, Refusal


class RouteNotFound(Refusal):
    """Nothing lives at this address; the list of addresses is at /docs."""

    code = "api.not_found"
    kind = Kind.NOT_FOUND


class MalformedRequest(Refusal):
    """The request is not one we can read."""

    code = "api.malformed_request"
    kind = Kind.INVALID


class MalformedText(Refusal):
    """The text is not UTF-8, or holds a NUL character or half of a surrogate pair."""

    code = "api.malformed_text"
    kind = Kind.INVALID


class MalformedJson(Refusal):
    """The body is not JSON (RFC 8259)."""

    code = "api.malformed_json"
    kind = Kind.INVALID


class FractionalNumber(Refusal):
    """Numbers with a fraction or an exponent are not accepted; write whole numbers, and rates as strings."""

    code = "api.fractional_number"
    kind = Kind.INVALID


class DuplicateMember(Refusal):
    """An object names the same member twice; which one was meant cannot be known."""

    code = "api.duplicate_member"
    kind = Kind.INVALID


class TooDeep(Refusal):
    """The JSON is nested too deeply; 32 levels are accepted."""

    code = "api.too_deep"
    kind = Kind.INVALID


class InvalidField(Refusal):
    """A field is missing, unknown or not of its kind; `pointer` (RFC 6901) says which."""

    code = "api.invalid_field"
    kind = Kind.INVALID


class UnknownParameter(Refusal):
    """The query names a parameter that this address does not have; `allowed` lists those it has."""

    code = "api.unknown_parameter"
    kind = Kind.INVALID


class RepeatedParameter(Refusal):
    """The query names the same parameter twice."""

    code = "api.repeated_parameter"
    kind = Kind.INVALID


class InvalidParameter(Refusal):
    """A query parameter is not of its kind."""

    code = "api.invalid_parameter"
    kind = Kind.INVALID


class BodyTooLarge(Refusal):
    """The body is larger than this address accepts; `bytes_max` says how much."""

    code = "api.body_too_large"
    kind = Kind.TOO_LARGE


class ContentTypeUnsupported(Refusal):
    """The body is not of the type that is read here, in UTF-8; `expected` says which Content-Type to send."""

    code = "api.content_type_unsupported"
    kind = Kind.UNSUPPORTED


class KeyMissing(Refusal):
    """This address needs an Idempotency-Key header, so that a repeated request does nothing twice."""

    code = "api.idempotency_key_missing"
    kind = Kind.INVALID


class MalformedKey(Refusal):
    """The Idempotency-Key must be 1 to 255 printable ASCII characters, with or without quotation marks."""

    code = "api.idempotency_key_malformed"
    kind = Kind.INVALID


class VersionRequired(Refusal):
    """A change needs an If-Match header with the ETag you read, so that no one's change is lost."""

    code = "api.version_required"
    kind = Kind.PRECONDITION_REQUIRED


class VersionStale(Refusal):
    """The thing changed since you read it; read it again and decide anew."""

    code = "api.version_stale"
    kind = Kind.PRECONDITION_FAILED


class MalformedVersion(Refusal):
    """If-Match takes one ETag as we printed it."""

    code = "api.version_malformed"
    kind = Kind.INVALID


class Unavailable(Refusal):
    """The database cannot be reached or is overloaded; try again after `Retry-After` seconds with the same key."""

    code = "api.unavailable"
    kind = Kind.BUSY


class UnknownBranch(Refusal):
    """There is no such branch, or it is not one of yours."""

    code = "api.unknown_branch"
    kind = Kind.NOT_FOUND


class AnswerTooLarge(Refusal):
    """The file would be too large for one answer; ask for a shorter range."""

    code = "api.answer_too_large"
    kind = Kind.REFUSED
