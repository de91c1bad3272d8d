"""The peer of live queries: the same server, told by one connection to send a message to all, and nothing else.

`python -m bench.fanout PORT`: each connection is greeted; what it says is sent to everybody who is connected.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

Send = Callable[[Any], Awaitable[None]]
everybody: set[Send] = set()


async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
    """Greet, and pass on."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
    everybody.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            await asyncio.gather(
                *(one({"type": "websocket.send", "text": message["text"]}) for one in tuple(everybody))
            )
    finally:
        everybody.discard(send)


async def main(port: int) -> None:
    """Serve until killed."""
    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, backlog=4_096, log_enabled=False)
    await server.serve()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
