"""Who speaks: what every door learns from the one gate."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from omniroute.graphql.session import Session


@dataclass(frozen=True, slots=True)
class Admitted:
    """Somebody who may ask: the role, whose data, and until when the credentials hold."""

    role: str
    session: Session
    expires_at: datetime | None = None
    is_admin: bool = False
    """Whether the admin secret was shown, whatever the role."""


class Gate(Protocol):
    """Decides about credentials and role, for HTTP and for sockets alike."""

    async def admit(self, headers: Mapping[str, str]) -> Admitted:
        """Who asks, by the headers of a request (names in lower case).

        Raises: RequestRefused, DatabaseUnavailable.
        """
