"""What a data folder's `postmaster.pid` says, and whether it is still true.

The file outlives a server killed with -9, and its process id may since belong to somebody else, or to a dead child that
nobody collected. PostgreSQL itself only asks whether the id exists and would refuse to start for ever.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# No kernel gives out this id, so PostgreSQL takes the lock for stale, and still checks by the shared memory named in
# the same file that no child of the dead server is left.
_NOBODY = 2**31 - 2


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock file of a data folder, as far as we read it."""

    pid: int
    status: str

    @property
    def ready(self) -> bool:
        return self.status == "ready"


def read_lock(data: Path) -> Lock | None:
    """The lock file, or None when there is none or it is still being written."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        return Lock(pid=int(lines[0]), status=lines[7].strip() if len(lines) > 7 else "")
    except (FileNotFoundError, ValueError, IndexError):
        return None


def running_pid(data: Path) -> int | None:
    """The process id of the server that runs on this folder, or None when the lock is stale or absent."""
    lock = read_lock(data)
    return lock.pid if lock is not None and is_server(lock.pid, data) else None


def is_server(pid: int, data: Path) -> bool:
    """Whether this process is alive and is a PostgreSQL working in `data` (not a stranger with a recycled id)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    process = Path("/proc") / str(pid)
    if not process.exists():
        return not Path("/proc/self").exists()  # Without /proc the kernel's word on the id has to do.
    try:
        name, _, rest = process.joinpath("stat").read_text().partition("(")[2].rpartition(")")
    except FileNotFoundError:
        return False
    if rest.split()[0] in ("Z", "X"):
        return False
    with suppress(OSError):  # The folder of another user's process is not shown to us; then its name decides.
        return process.joinpath("cwd").resolve(strict=True) == data.resolve()
    return name.startswith("postgres")


def clear_stale(data: Path) -> bool:
    """Make a stale lock recognisable to PostgreSQL itself. True when there was one."""
    path = data / "postmaster.pid"
    lock = read_lock(data)
    if lock is None or is_server(lock.pid, data):
        return False
    lines = path.read_text().splitlines(keepends=True)
    lines[0] = f"{_NOBODY}\n"
    # Written in place: the file keeps its owner and mode.
    with path.open("r+") as file:
        file.write("".join(lines))
        file.truncate()
    return True


def children(pid: int) -> list[int]:
    """The processes this server has started and that still run (none are seen where there is no /proc)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # Gone meanwhile.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state not in ("Z", "X"):
                found.append(int(stat.parent.name))
    return found
