"""What a door refuses before the engine is asked: the form of a request, credentials, roles."""

from omniroute.graphql.errors import RequestRefused


class HttpRefused(RequestRefused):
    """A request that is no GraphQL request to us, or from somebody who may not ask; with the HTTP status for it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        path: str = "$",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message, path=path, code=code)
        self.status = status
        self.headers = headers


class AccessDenied(HttpRefused):
    """Nobody we know (401), or somebody who may not act in that role (403)."""

    def __init__(self, message: str, *, status: int = 401, code: str = "access-denied") -> None:
        challenge = (("www-authenticate", 'Bearer realm="omniroute"'),) if status == 401 else ()
        super().__init__(status, message, code=code, headers=challenge)
