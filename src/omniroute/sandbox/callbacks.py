"""How the sandbox calls back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx

TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """One callback as it goes out."""

    url: str
    body: bytes
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


Deliver = Callable[[CallbackRequest], Awaitable[int | None]]
"""Sends a callback; the HTTP status of the answer, or None when nobody answered."""


class HttpDelivery:
    """Callbacks over real HTTP. TLS certificates are not checked: the receiver is a developer's machine."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def __call__(self, request: CallbackRequest) -> int | None:
        if self._client is None:
            self._client = httpx.AsyncClient(verify=False, timeout=TIMEOUT_S, trust_env=False)  # noqa: S501
        try:
            reply = await self._client.request(
                request.method, request.url, content=request.body, headers=dict(request.headers)
            )
        except httpx.HTTPError:
            return None
        return reply.status_code

    async def close(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
