"""Where the time goes: processor time by process, so that a figure can say what fills the cores."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from omniroute.infra.postgres import EmbeddedPostgres

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of processor time, and how much of it in the kernel."""

    total: float
    kernel: float

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.total - other.total, self.kernel - other.kernel)


def _stat(process: Path) -> tuple[int, int, Cpu] | None:
    """Process id, parent and times of its own and of its ended children (proc(5), `stat`)."""
    try:
        text = (process / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    user, kernel, ended_user, ended_kernel = (int(one) / _TICK for one in fields[11:15])
    return int(process.name), int(fields[1]), Cpu(user + kernel + ended_user + ended_kernel, kernel + ended_kernel)


def cpu_of(pid: int) -> Cpu:
    """What a process and all below it have spent so far."""
    known = [found for one in Path("/proc").iterdir() if one.name.isdigit() and (found := _stat(one)) is not None]
    family = {pid}
    grown = True
    while grown:
        more = {one for one, parent, _ in known if parent in family and one not in family}
        family |= more
        grown = bool(more)
    spent = [cpu for one, _, cpu in known if one in family]
    return Cpu(sum(cpu.total for cpu in spent), sum(cpu.kernel for cpu in spent))


class Meter:
    """Started when made; `told` says what each process spent on one item since."""

    def __init__(self, server: EmbeddedPostgres, *, web: int | None = None) -> None:
        """`web`: the process that does the work in Python; this one when none is given."""
        pid = server.pid
        assert pid is not None, "the server runs"
        self._pids = {"PostgreSQL": pid, "Python": web or os.getpid()}
        self._before = self._now()
        self._started = time.perf_counter()

    def _now(self) -> dict[str, Cpu]:
        spent = {name: cpu_of(pid) for name, pid in self._pids.items()}
        if self._pids["Python"] == os.getpid():  # The server may be a child of this process.
            own = os.times()
            spent["Python"] = Cpu(own.user + own.system, own.system)
        return spent

    def told(self, items: int) -> str:
        """A sentence for the note of a figure: microseconds an item, the kernel's share, how busy the cores were."""
        seconds = time.perf_counter() - self._started
        spent = {name: now - self._before[name] for name, now in self._now().items()}
        parts = [
            f"{name} {1e6 * cpu.total / items:.0f} us ({100 * cpu.kernel / max(cpu.total, 1e-9):.0f} % kernel)"
            for name, cpu in spent.items()
        ]
        busy = sum(cpu.total for cpu in spent.values()) / seconds
        return f"CPU each: {', '.join(parts)}; {busy:.1f} of {os.cpu_count()} cores busy with it"
