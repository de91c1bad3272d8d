"""Files exchanged in folders: we put ours into `outbox`, the bank (or who carries for it) puts its own into `inbox`.

    ROOT/ORGANISATION/CONNECTION/outbox    whole files only: written under another name, then renamed
    ROOT/ORGANISATION/CONNECTION/inbox     read when a file has not changed from one look to the next
    ROOT/ORGANISATION/CONNECTION/done      what was read; `refused`: what is too large to be an answer

Where ROOT is decides who runs the house: a connection cannot name folders.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from omniroute.kit.xml import SIZE_MAX

FOLDER = "folder:"
"""The endpoint of connections whose files are exchanged in folders."""
_UNFINISHED = (".part", ".tmp", ".filepart")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that came in."""

    path: Path
    content: bytes


class Folders:
    """All folders below one root. Calls block; give them to a thread."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: dict[Path, tuple[int, int]] = {}

    def place(self, tenant_id: UUID, connection_id: UUID, name: str) -> Path:
        """One folder of a connection; made when it is not there."""
        folder = self._root.joinpath(tenant_id.hex, connection_id.hex, name)
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        return folder

    def put(self, tenant_id: UUID, connection_id: UUID, name: str, content: bytes) -> None:
        """Hand over a whole file, or none: after an OSError nothing is there under its name."""
        outbox = self.place(tenant_id, connection_id, "outbox")
        part = outbox.joinpath(f".{name}.part")
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(outbox.joinpath(name))

    def arrived(self, tenant_id: UUID, connection_id: UUID) -> list[Arrived]:
        """What came in and has not changed since the last look, in the order of its names."""
        inbox = self.place(tenant_id, connection_id, "inbox")
        self.place(tenant_id, connection_id, "outbox")
        ready: list[Arrived] = []
        for path in sorted(inbox.iterdir()):
            if path.name.startswith(".") or path.name.endswith(_UNFINISHED) or path.is_symlink() or not path.is_file():
                continue
            stat = path.stat()
            if self._seen.get(path) != (stat.st_size, stat.st_mtime_ns):
                self._seen[path] = (stat.st_size, stat.st_mtime_ns)
            elif stat.st_size > SIZE_MAX:
                self._move(path, self.place(tenant_id, connection_id, "refused"))
            else:
                ready.append(Arrived(path, path.read_bytes()))
        return ready

    def done(self, tenant_id: UUID, connection_id: UUID, arrived: Arrived) -> None:
        """It was stored; nobody needs to look at it again."""
        self._move(arrived.path, self.place(tenant_id, connection_id, "done"))

    def _move(self, path: Path, folder: Path) -> None:
        self._seen.pop(path, None)
        target = folder.joinpath(path.name)
        number = 1
        while target.exists():  # A bank may use a name twice; both are kept.
            number += 1
            target = folder.joinpath(f"{path.stem}.{number}{path.suffix}")
        try:
            path.replace(target)
        except FileNotFoundError:
            return  # Another process was quicker.
