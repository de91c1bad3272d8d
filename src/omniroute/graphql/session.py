"""Who asks: the organisation whose data it is about, and the session variables of permissions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from omniroute.parties.access import Caller


@dataclass(frozen=True, slots=True)
class Session:
    """Whose data is read and written: the transaction's organisation and branches, and the session variables.

    Names of variables are lower case. They come from the caller's credentials, never from headers of a request.
    """

    tenant_id: UUID | None = None
    branches: tuple[UUID, ...] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the request, for handlers of actions that ask for them. No permission reads them."""
    is_backend: bool = False
    """Whether the caller is one of ours: it may use permissions that are `backend_only`."""

    @classmethod
    def of(cls, caller: Caller, role: str) -> "Session":
        """The session of an authenticated caller who acts in a role."""
        variables = {
            "x-hasura-role": role,
            "x-hasura-user-id": str(caller.subject_id),
            "x-hasura-tenant-id": str(caller.tenant_id),
        }
        if caller.branches is not None:
            # A handler that trusts these variables must not do more than the caller may.
            variables["x-hasura-branch-ids"] = "{" + ",".join(map(str, caller.branches)) + "}"
        return cls(caller.tenant_id, caller.branches, variables)
