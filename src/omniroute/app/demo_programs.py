"""The programs that `omniroute demo` runs beside itself, each in a process of its own: what it starts, it stops."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from omniroute.app.demo_client import Connection
from omniroute.app.settings import PREFIX, Settings
from omniroute.kit.refusal import Fault

HOST = "127.0.0.1"
START_S = 60
STOP_S = 20
SETTINGS = (
    "database_url", "database_owner_url", "database_worker_url", "data_dir", "http_host", "http_port",
    "payment_exchanges_max",
)  # fmt: skip

Program = subprocess.Popen[bytes]


class ProgramFailed(Fault):
    """A program did not start, or ended before it was told to."""


class Programs:
    """Started programs, with their output in a folder."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._running: list[Program] = []
        self._sandbox: tuple[Program, Path] | None = None
        self._numbers = 0

    async def serve(self) -> Program:
        """`omniroute serve`, as soon as it answers. Raises: ProgramFailed."""
        program, said = self._start("serve")
        async with Connection(HOST, self._settings.http_port) as visitor:
            for _ in range(START_S * 20):
                if await visitor.is_ready():
                    return program
                if program.poll() is not None:
                    break
                await asyncio.sleep(0.05)
        raise ProgramFailed(f"omniroute serve did not start:\n{_end_of(said)}")

    def worker(self) -> Program:
        """`omniroute worker`."""
        return self._start("worker")[0]

    def start_sandbox(self) -> None:
        """`omniroute sandbox`, on ports that it chooses."""
        self._sandbox = self._start("sandbox", "--port", "0", "--json")

    async def sandbox(self) -> Any:
        """The started sandbox, as soon as it listens: its `url`, `address` and `connections`. Raises: ProgramFailed."""
        assert self._sandbox is not None, "the sandbox was not started"
        program, said = self._sandbox
        for _ in range(START_S * 20):
            with suppress(ValueError):
                found = json.loads(said.read_bytes())
                host, _, port = found["url"].removeprefix("http://").partition(":")
                return {**found, "address": (host, int(port))}
            if program.poll() is not None:
                break
            await asyncio.sleep(0.05)
        raise ProgramFailed(f"omniroute sandbox did not start:\n{_end_of(said)}")

    def kill(self, program: Program) -> int:
        """End it with -9; which process it was."""
        program.send_signal(signal.SIGKILL)
        program.wait()
        self._running.remove(program)
        return program.pid

    async def stop(self, program: Program) -> None:
        """End it in order. Raises: ProgramFailed when it had ended by itself."""
        ended = program.poll() is not None
        self._running.remove(program)
        await _stop(program)
        if ended:
            raise ProgramFailed(f"a program ended by itself, see {self._folder}")

    async def close(self) -> None:
        """End whatever still runs, the latest first."""
        for program in reversed(self._running):
            await _stop(program)
        self._running.clear()

    def _start(self, *arguments: str) -> tuple[Program, Path]:
        self._numbers += 1
        said = self._folder / f"{arguments[0]}-{self._numbers}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        for name in SETTINGS:
            environment[PREFIX + name.upper()] = str(getattr(self._settings, name))
        with said.open("wb") as log:
            program = subprocess.Popen(  # noqa: S603 - our own program, no shell
                [sys.executable, "-m", "omniroute.app.cli", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # A Ctrl-C is for us; we stop it in order.
            )
        self._running.append(program)
        return program, said


async def _stop(program: Program) -> None:
    program.terminate()
    try:
        await asyncio.to_thread(program.wait, STOP_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


@asynccontextmanager
async def programs(settings: Settings, folder: Path) -> AsyncIterator[Programs]:
    """Programs that live no longer than this block."""
    started = Programs(settings, folder)
    try:
        yield started
    finally:
        await started.close()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
