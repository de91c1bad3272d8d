"""A process that is there under a name until it is killed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SCRIPT = """
import asyncio, sys
from omniroute.infra.postgres import present

async def main():
    async with present(sys.argv[1], sys.argv[2]) as name:
        print(name, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@dataclass(frozen=True)
class Victim:
    """The process, and the name under which others see it."""

    process: subprocess.Popen[str]
    name: str

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def victim(database_url: str, name: str) -> Iterator[Victim]:
    """It is there when the block begins, and not any more when it ends."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, database_url, name], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield Victim(process, process.stdout.readline().strip())
        finally:
            process.kill()
            process.wait()
