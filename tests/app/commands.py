"""Runs the real `omniroute` command in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OMNIROUTE = Path(sys.executable).with_name("omniroute")
PATIENCE_S = 60


def environment(**settings: str) -> dict[str, str]:
    """Our environment without settings of the one who runs the tests, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMNIROUTE_")}
    return {**kept, **{f"OMNIROUTE_{name.upper()}": value for name, value in settings.items()}}


def omniroute(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [OMNIROUTE, *arguments],
        env=environment(**settings), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


class Running:
    """A process, what it said so far, and where it listens."""

    def __init__(self, process: subprocess.Popen[str], said: Path) -> None:
        self.process = process
        self.said = said

    @property
    def text(self) -> str:
        """Everything on stdout and stderr."""
        return self.said.read_text()

    def wait_for(self, words: str) -> str:
        """The first line with these words."""
        for _ in range(PATIENCE_S * 50):
            for line in self.text.splitlines(keepends=True):
                if words in line and line.endswith("\n"):
                    return line
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"never said {words!r}:\n{self.text}")

    @property
    def url(self) -> str:
        """The address it listens on, once it does."""
        return self.wait_for("listens on").split("listens on ")[1].split()[0]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@contextmanager
def running(folder: Path, *arguments: str, **settings: str) -> Iterator[Running]:
    """A command that stays; it is gone afterwards."""
    said = folder / f"said-{time.monotonic_ns()}"
    with said.open("w") as out:
        process = subprocess.Popen(
            [OMNIROUTE, *arguments],
            env=environment(**settings), stdout=out, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        yield Running(process, said)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
