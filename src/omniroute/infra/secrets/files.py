"""Master keys in a folder: one file a key, readable for its owner only.

    <id>.key    omniroute-key-1 and 32 bytes in base64
    current     the id of the key that wraps

Old keys stay for what they sealed. Whoever copies the database without this folder has nothing.
"""

import asyncio
import base64
import binascii
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from omniroute.infra.secrets.errors import BadKeys, KeyMissing, KeysUnavailable, SecretDamaged
from omniroute.infra.secrets.model import Wrapped

MARK = "omniroute-key-1:"
NONCE_BYTES = 12
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")


class FileKeys:
    """Keys of a folder. Several processes may use one; a key added by one is found by all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"<FileKeys {self._folder}>"

    @classmethod
    def create(cls, folder: Path) -> "FileKeys":
        """Open the folder; make it, with a first key, if there is none. Two who do so at once agree on one key.

        Raises: BadKeys, KeysUnavailable.
        """
        keys = cls(folder)
        keys._add(unless_there=True)
        return keys

    async def wrap(self, data_key: bytes, context: bytes) -> Wrapped:
        """Raises: BadKeys, KeysUnavailable."""
        key_id = await asyncio.to_thread(self._current)
        nonce = os.urandom(NONCE_BYTES)
        return Wrapped(key_id, nonce + AESGCM(self._keys[key_id]).encrypt(nonce, data_key, _bound(key_id, context)))

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """Raises: KeyMissing, SecretDamaged, BadKeys, KeysUnavailable."""
        key = self._keys.get(wrapped.key_id)
        if key is None:
            key = await asyncio.to_thread(self._load, wrapped.key_id)
        nonce, data = wrapped.data[:NONCE_BYTES], wrapped.data[NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, data, _bound(wrapped.key_id, context))
        except (InvalidTag, ValueError):
            raise SecretDamaged() from None

    async def current_key_id(self) -> str:
        """Raises: BadKeys, KeysUnavailable."""
        return await asyncio.to_thread(self._current)

    async def key_ids(self) -> tuple[str, ...]:
        """Every key there is, the oldest first. Raises: KeysUnavailable."""
        return await asyncio.to_thread(lambda: tuple(sorted(path.stem for path in self._folder.glob("*.key"))))

    async def add_key(self) -> str:
        """A new current key; in an empty folder the first. Raises: BadKeys, KeysUnavailable."""
        return await asyncio.to_thread(self._add)

    async def remove_key(self, key_id: str) -> None:
        """Destroy an old key; what it sealed can never be opened again.

        Raises: BadKeys for the current key; KeyMissing.
        """
        if key_id == await self.current_key_id():
            raise BadKeys("the current key cannot be removed", key_id=key_id)
        await asyncio.to_thread(self._load, key_id)
        (self._folder / f"{key_id}.key").unlink()
        self._keys.pop(key_id, None)

    async def aclose(self) -> None:
        """Forget what was read."""
        self._keys.clear()

    def _current(self) -> str:
        try:
            key_id = (self._folder / "current").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise BadKeys(
                "there are no master keys; `omniroute secrets add-key` makes one", folder=str(self._folder)
            ) from None
        except (OSError, ValueError) as error:
            raise _unreadable(error, self._folder / "current") from None
        if key_id not in self._keys:
            self._load(key_id)
        return key_id

    def _load(self, key_id: str) -> bytes:
        if not _ID.match(key_id):
            raise KeyMissing(key_id=key_id[:64])
        path = self._folder / f"{key_id}.key"
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise KeyMissing(key_id=key_id) from None
        except (OSError, ValueError) as error:
            raise _unreadable(error, path) from None
        if mode & 0o077:
            raise BadKeys("others may read the key file; expected mode 0600", file=str(path))
        try:
            key = base64.b64decode(text.removeprefix(MARK), validate=True) if text.startswith(MARK) else b""
        except binascii.Error:
            key = b""
        if len(key) != 32:
            raise BadKeys("the key file is damaged", file=str(path))
        self._keys[key_id] = key
        return key

    def _add(self, *, unless_there: bool = False) -> str:
        folder = self._folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BadKeys(f"the folder of keys cannot be made: {error.strerror}", folder=str(folder)) from None
        with _locked(folder):
            if (folder / "current").exists():
                current = self._current()
                return current if unless_there else self._write_key()
            if any(folder.glob("*.key")):
                raise BadKeys("the folder has keys, but no file `current` that names one", folder=str(folder))
            return self._write_key()

    def _write_key(self) -> str:
        count = 1 + max((int(path.stem[1:7]) for path in self._folder.glob("k[0-9]*-*.key")), default=0)
        key_id = f"k{count:06}-{secrets.token_hex(4)}"
        text = MARK + base64.b64encode(AESGCM.generate_key(bit_length=256)).decode()
        try:
            _write(self._folder / f"{key_id}.key", text)
            _sync(self._folder)  # The key lies safe before anything is sealed with it.
            temporary = self._folder / "current.new"
            temporary.unlink(missing_ok=True)
            _write(temporary, key_id)
            temporary.replace(self._folder / "current")
            _sync(self._folder)
        except OSError as error:
            raise BadKeys(f"a key cannot be written: {error.strerror}", folder=str(self._folder)) from None
        return key_id


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time makes keys."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise BadKeys(f"the folder of keys cannot be opened: {error.strerror}", folder=str(folder)) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _bound(key_id: str, context: bytes) -> bytes:
    return key_id.encode("ascii") + b"\x00" + context


def _unreadable(error: Exception, path: Path) -> BadKeys | KeysUnavailable:
    if isinstance(error, PermissionError | ValueError):
        return BadKeys("the file cannot be read", file=str(path))
    return KeysUnavailable(f"the keys cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}")


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(handle)


def _sync(folder: Path) -> None:
    with suppress(OSError):  # Some file systems cannot.
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
