"""What the GraphQL door refuses: metadata that cannot be read, and requests, in Hasura's shape and with its codes."""

from typing import Any

from omniroute.kit.refusal import Kind, Refusal


class MetadataUnreadable(Refusal):
    """The Hasura metadata cannot be read: a file is missing, is not YAML, or is of another version."""

    code = "graphql.metadata_unreadable"
    kind = Kind.INVALID


class MetadataRefused(Refusal):
    """The Hasura metadata contradicts itself or the database; `omniroute graphql check` names each place."""

    code = "graphql.metadata_refused"
    kind = Kind.INVALID


class RequestRefused(Exception):
    """A request that gets an error instead of data. `code` and `path` are Hasura's (`extensions` of the answer)."""

    def __init__(self, message: str, *, path: str = "$", code: str = "validation-failed") -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.code = code

    def shown(self) -> dict[str, Any]:
        """The error as it stands in the answer."""
        return {"message": self.message, "extensions": {"path": self.path, "code": self.code}}
