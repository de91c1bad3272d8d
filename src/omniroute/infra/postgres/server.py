"""Our own small runner for a PostgreSQL in a folder: durable by default, safe to kill, never two on one folder.

    server = EmbeddedPostgres(Path("/var/lib/omniroute/postgres"))
    await server.start()                       # creates the cluster the first time
    server.url("omniroute_app")                # postgresql://omniroute_app:...@127.0.0.1:39017/omniroute
    await server.stop()

What lies in the folder: `data` (the cluster), `passwords.json` (0600), `server.log`, `server.json` (port and process of
the last start), `lock`, and with root's Python out of reach `binaries`.

The server has its own session: a Ctrl-C meant for us does not reach it, and it survives if we are killed. Whoever
starts it holds a lock on the folder for as long as he lives; a server whose starter is gone is stopped cleanly
and started anew by the next one.
"""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

from psycopg import AsyncConnection, sql

from omniroute.infra.postgres import postmaster
from omniroute.infra.postgres.binaries import (
    ENVIRONMENT,
    Account,
    ServerFailed,
    check_reachable,
    choose_account,
    locate,
    readable_by,
)
from omniroute.infra.postgres.files import free_port, read_passwords, tail, write_private
from omniroute.infra.postgres.profile import DURABLE, FAST, HBA, SETTINGS
from omniroute.kit.refusal import Kind, Refusal

DATABASE = "omniroute"
LOGINS = ("omniroute_owner", "omniroute_app", "omniroute_worker")
POLL_S = 0.02
WATCH_S = 0.2
LOG_BYTES_MAX = 16 * 2**20


class AlreadyRunning(Refusal):
    """Another PostgreSQL already runs on this folder."""

    code = "postgres.already_running"
    kind = Kind.CONFLICT


class VersionMismatch(Refusal):
    """The data folder was made by another major version of PostgreSQL."""

    code = "postgres.version_mismatch"
    kind = Kind.REFUSED


class FolderDamaged(Refusal):
    """Something that belongs to the data folder is missing or is not ours."""

    code = "postgres.folder_damaged"
    kind = Kind.REFUSED


def default_folder() -> Path:
    """Where the data goes when nobody says: /var/lib/omniroute for root, else the user's data folder."""
    if os.geteuid() == 0:
        return Path("/var/lib/omniroute/postgres")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "omniroute" / "postgres"


class EmbeddedPostgres:
    """One PostgreSQL on one folder."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        binaries: Path | None = None,
        port: int | None = None,
        unix_socket: bool = False,
        fast: bool = False,
        settings: Mapping[str, str] | None = None,
        user: str | None = None,
        start_timeout_s: float = 300,
    ) -> None:
        """`fast` gives up durability (tests only). Without `port` the last one is used again if it is free."""
        self.folder = (folder or default_folder()).absolute()
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self.unix_socket = unix_socket
        self.settings = {**SETTINGS, **(FAST if fast else DURABLE), **(settings or {})}
        self.start_timeout_s = start_timeout_s
        self._fast = fast
        self._binaries = binaries
        self._user = user
        self._port = port
        self._port_given = port is not None
        self._passwords: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None  # Held from start to stop, also while the server is dead in between.
        self._wanted = False  # Between a start and the stop that somebody asked for.
        self._changing = asyncio.Lock()  # Starts and stops one after the other.

    @property
    def pid(self) -> int | None:
        """The process id of the running server, or None."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    @property
    def port(self) -> int:
        """The TCP port, or with a socket the number in its name."""
        assert self._port is not None, "the server was never started"
        return self._port

    @property
    def host(self) -> str:
        """127.0.0.1, or the folder of the socket."""
        return str(self.folder / "socket") if self.unix_socket else "127.0.0.1"

    def url(self, role: str = "omniroute_app", database: str = DATABASE) -> str:
        """The address for one of the logins (postgres, omniroute_owner, omniroute_app, omniroute_worker)."""
        password = self._passwords[role]
        if self.unix_socket:
            return f"postgresql://{role}:{password}@/{database}?host={quote(self.host, safe='')}&port={self.port}"
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server, creating the cluster the first time, and wait until it takes connections.

        Recovers after kill -9. Calling it again after the server died starts it again on the same port.

        Raises: AlreadyRunning, VersionMismatch, FolderDamaged, FolderUnreachable, BinariesMissing, ServerFailed.
        """
        async with self._changing:
            await self._start()

    async def keep_running(self) -> None:
        """Start the server again whenever it died without being asked to. Runs until cancelled or stopped.

        Raises: what `start` raises.
        """
        while self._wanted:
            if self.pid is None:
                async with self._changing:
                    # Looked at again: a stop may have been asked for while we waited, and it is the last word.
                    if self._wanted and self.pid is None:
                        await self._start()
            await asyncio.sleep(WATCH_S)

    async def stop(self, timeout_s: float = 60) -> None:
        """Stop cleanly (open transactions are rolled back). Safe to call twice, and after a crash.

        Raises: ServerFailed when the server is still there after the time-out and a second, ruder request.
        """
        self._wanted = False
        async with self._changing:
            self._wanted = False  # Again: a start that was under way has just said the opposite.
            await self._stop(timeout_s)

    async def kill(self, *, children: bool = True) -> None:
        """Kill -9, for demonstrations and crash tests: the server and its children, or the server alone."""
        if self.pid is None:
            return
        pid = self.pid
        victims = [pid, *(postmaster.children(pid) if children else [])]
        for victim in victims:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        await self._wait_until_gone(victims, patience_s=10)

    async def _start(self) -> None:
        account = await asyncio.to_thread(self._take)
        self._wanted = True
        try:
            binaries = await asyncio.to_thread(self._prepare, account)
            await self._stop_orphan()
            await self._launch(account, binaries)
            await self._ensure_logins()
        except BaseException:
            self._wanted = False
            await self._stop()
            raise

    async def _stop(self, timeout_s: float = 60) -> None:
        try:
            if self.pid is not None:
                await self._end(self.pid, timeout_s)
        finally:
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    # -- the folder -----------------------------------------------------------------------------------------------

    def _take(self) -> Account:
        """Make the folder and hold its lock for as long as this process lives."""
        if self.pid is not None:
            raise self._already_running(self.pid)
        account = choose_account(self.data, self._user)
        # Folders we create ourselves let the server's user pass, and nobody look; existing ones stay as they are.
        missing = [step for step in [self.folder, *self.folder.parents] if not step.exists()]
        if account.switch:
            check_reachable(account, missing[-1].parent if missing else self.folder)
        for step in reversed(missing):
            step.mkdir(exist_ok=True)
            step.chmod(0o711 if account.switch else 0o700)
        if self._lock is None:
            file = os.fdopen(os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = file.read().strip()
                file.close()
                raise self._already_running(postmaster.running_pid(self.data), holder) from None
            file.truncate()
            file.write(str(os.getpid()))
            file.flush()
            self._lock = file
        return account

    def _already_running(self, pid: int | None, starter: str = "") -> AlreadyRunning:
        who = f"process {pid}" if pid else "a server that is just starting"
        by = f", started by process {starter}" if starter else ""
        return AlreadyRunning(
            f"PostgreSQL already runs on {self.folder} ({who}{by}); stop that one first, or choose another folder",
            folder=str(self.folder),
            pid=pid,
        )

    def _prepare(self, account: Account) -> Path:
        """Programs, passwords, and a cluster of the right version."""
        binaries, version = readable_by(account, locate(self._binaries), self.folder / "binaries")
        secrets_path = self.folder / "passwords.json"
        exists = (self.data / "PG_VERSION").exists()
        if exists and not secrets_path.exists():
            raise FolderDamaged(f"{secrets_path} is missing, and without it nobody can log in", folder=str(self.folder))
        self._passwords = read_passwords(secrets_path, LOGINS)
        if not exists:
            self._create_cluster(account, binaries)
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if made_by != version.split(".")[0]:
            raise VersionMismatch(
                f"{self.data} was made by PostgreSQL {made_by}, but {binaries} is PostgreSQL {version}; "
                f"use the programs of version {made_by}, or move the data with pg_dump",
                folder=str(self.folder),
                made_by=made_by,
                programs=version,
            )
        if self.data.stat().st_uid != account.uid:
            raise FolderDamaged(
                f"{self.data} belongs to user id {self.data.stat().st_uid}, not to {account.name}",
                folder=str(self.folder),
            )
        return binaries

    def _create_cluster(self, account: Account, binaries: Path) -> None:
        """initdb in a folder aside, renamed when whole: a first start cut short leaves nothing half made."""
        if self.data.exists() and any(self.data.iterdir()):
            raise FolderDamaged(f"{self.data} is not empty and is not a PostgreSQL cluster", folder=str(self.folder))
        draft, password = self.folder / "data.new", self.folder / "data.password"
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        write_private(password, self._passwords["postgres"])
        if account.switch:
            os.chown(draft, account.uid, account.gid)
            os.chown(password, account.uid, account.gid)
        try:
            done = account.run(
                *(binaries / "initdb", "-D", draft, "-U", "postgres", f"--pwfile={password}"),
                *("--auth=scram-sha-256", "--locale=C.UTF-8", "--encoding=UTF8", "--data-checksums"),
                *(["--no-sync"] if self._fast else []),
            )
        finally:
            password.unlink()
        if done.returncode != 0:
            raise ServerFailed(f"initdb failed:\n{done.stdout.strip()}")
        (draft / "pg_hba.conf").write_text(HBA)
        if self.data.exists():
            self.data.rmdir()
        draft.rename(self.data)

    # -- the process ----------------------------------------------------------------------------------------------

    async def _stop_orphan(self) -> None:
        """A server of ours whose starter died is stopped cleanly; a stranger's is refused."""
        pid = postmaster.running_pid(self.data)
        if pid is None:
            return
        if self._last().get("pid") != pid:
            raise self._already_running(pid)
        await self._end(pid, timeout_s=60)

    async def _end(self, pid: int, timeout_s: float) -> None:
        for request, patience_s in ((signal.SIGINT, timeout_s), (signal.SIGQUIT, 10)):
            try:
                os.kill(pid, request)
            except ProcessLookupError:
                break
            if await self._wait_until_gone([pid], patience_s):
                return
        if self._alive(pid):
            raise ServerFailed(f"PostgreSQL (process {pid}) on {self.folder} does not stop")

    async def _wait_until_gone(self, pids: list[int], patience_s: float) -> bool:
        for _ in range(int(patience_s / POLL_S)):
            if not any(self._alive(pid) for pid in pids):
                return True
            await asyncio.sleep(POLL_S)
        return False

    def _alive(self, pid: int) -> bool:
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is None  # Also collects it, so that its id can be told from a live one.
        return postmaster.is_server(pid, self.data)

    async def _launch(self, account: Account, binaries: Path) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.start_timeout_s
        while True:
            offset = self._spawn(account, binaries)
            assert self._process is not None
            while self._process.poll() is None and loop.time() < deadline:
                lock = postmaster.read_lock(self.data)
                if lock is not None and lock.pid == self._process.pid and lock.ready:
                    self._note()
                    return
                await asyncio.sleep(POLL_S)
            said = tail(self.log, offset)
            if loop.time() >= deadline:
                raise ServerFailed(f"PostgreSQL was not ready after {self.start_timeout_s} s. Its log says:\n{said}")
            # Children of a killed server need a moment to notice and leave the shared memory.
            lingering = "pre-existing shared memory block" in said
            taken = "could not bind" in said and not self._port_given
            if not (lingering or taken):
                raise ServerFailed(f"PostgreSQL ended with {self._process.returncode}. {self.log} says:\n{said}")
            if taken:
                self._port = None
            await asyncio.sleep(0.2)

    def _spawn(self, account: Account, binaries: Path) -> int:
        """Start the process; returns where in the log its own lines begin."""
        postmaster.clear_stale(self.data)
        settings = {**self.settings, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        if self.unix_socket:
            place = self.folder / "socket"
            place.mkdir(mode=0o700, exist_ok=True)
            if account.switch:
                os.chown(place, account.uid, account.gid)
            for left_over in place.glob(".s.PGSQL.*"):
                left_over.unlink()
            self._port = self._port or 5432
            settings |= {"listen_addresses": "", "unix_socket_directories": str(place)}
        elif self._port is None:
            self._port = free_port(self._last().get("port"))
        settings["port"] = str(self._port)
        command = [str(binaries / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            offset = os.fstat(log).st_size
            self._process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                command,
                user=account.uid if account.switch else None,
                group=account.gid if account.switch else None,
                extra_groups=[] if account.switch else None,
                cwd="/",
                env=ENVIRONMENT,
                umask=0o077,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
        return offset

    def _note(self) -> None:
        write_private(self.folder / "server.json", json.dumps({"pid": self.pid, "port": self._port}))

    def _last(self) -> dict[str, Any]:
        try:
            noted: dict[str, Any] = json.loads((self.folder / "server.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return noted

    async def _ensure_logins(self) -> None:
        """The three logins and the database, wherever an earlier start stopped."""
        async with await AsyncConnection.connect(self.url("postgres", "postgres"), autocommit=True) as connection:
            for role in LOGINS:
                found = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
                if await found.fetchone() is None:
                    # Hashed here: a password in plain text could end up in the log.
                    hashed = connection.pgconn.encrypt_password(
                        self._passwords[role].encode(), role.encode(), b"scram-sha-256"
                    )
                    create = sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD {}")
                    await connection.execute(create.format(sql.Identifier(role), sql.Literal(hashed.decode())))
            found = await connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
            if await found.fetchone() is None:
                create_database = sql.SQL("CREATE DATABASE {} OWNER omniroute_owner")
                await connection.execute(create_database.format(sql.Identifier(DATABASE)))
