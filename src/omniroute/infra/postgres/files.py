"""Small files of the embedded server's folder, and the port it takes."""

import json
import os
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path

from omniroute.infra.postgres.binaries import ServerFailed


def read_passwords(path: Path, logins: Iterable[str]) -> dict[str, str]:
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    wanted = {role: known.get(role) or secrets.token_hex(24) for role in ("postgres", *logins)}
    if wanted != known:
        write_private(path, json.dumps(wanted, indent=2))
    return wanted


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, readable by us only."""
    draft = path.with_name(path.name + ".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def free_port(preferred: int | None) -> int:
    for wanted in (preferred, 0):
        if wanted is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            return port
    raise ServerFailed("no free port on 127.0.0.1")


def tail(log: Path, offset: int, lines: int = 30) -> str:
    with log.open("rb") as file:
        file.seek(offset)
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:]) or "(nothing)"
