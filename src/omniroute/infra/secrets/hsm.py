"""Master keys in a hardware security module, by PKCS#11. They never leave it; it wraps and unwraps for us.

Keys are AES-256 named `<label>-<number>`; the highest number is the current one. A module is asked from one thread over
one session, opened again when it broke. What a module says of a damaged ciphertext differs by maker and is often
just "general error": so after an error it has to wrap and unwrap something of ours. If it can, the ciphertext was
damaged; if not, the module is down.
"""

import asyncio
import contextlib
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from omniroute.infra.secrets.errors import BadKeys, KeyMissing, KeysUnavailable, SecretDamaged
from omniroute.infra.secrets.model import Wrapped

NONCE_BYTES = 12
TAG_BITS = 128
TIMEOUT_S = 10
T = TypeVar("T")

_one_at_a_time = threading.Lock()
"""Sessions, log-in and reinitialising belong to the whole process."""

_logged_in: dict[tuple[str, object], Any] = {}
"""The session that logged in, by module and token. It is never closed: closing it logs the whole process out, and every
other session would see no keys any more. Only reinitialising the library, or the end of the process, ends it."""


class HsmKeys:
    """Keys of one token. `pin` is called when a session is opened; a wrong PIN is never tried twice."""

    def __init__(
        self,
        module: str,
        *,
        pin: Callable[[], str],
        token: str | None = None,
        slot: int | None = None,
        label: str = "omniroute",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        try:
            import pkcs11
        except ImportError:
            raise BadKeys("keys in a security module need the extra `hsm` (python-pkcs11)") from None
        if (token is None) == (slot is None):
            raise BadKeys("name the token by its label or by its slot")
        self._pkcs11: Any = pkcs11
        self._module, self._token, self._slot, self._label = module, token, slot, label
        self._pin = pin
        self._timeout_s = timeout_s
        self._session: Any = None
        self._keys: dict[str, Any] = {}
        self._stale = False  # The library may remember a module as it was before it went down.
        self._refused = False  # By its PIN: another try could lock the token.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hsm")

    def __repr__(self) -> str:
        return f"<HsmKeys {self._label} in {self._token if self._slot is None else self._slot}>"

    async def wrap(self, data_key: bytes, context: bytes) -> Wrapped:
        """Raises: BadKeys, KeysUnavailable."""
        return await self._ask(lambda: self._wrap(data_key, context))

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """Raises: KeyMissing, SecretDamaged, BadKeys, KeysUnavailable."""
        return await self._ask(lambda: self._unwrap(wrapped, context))

    async def current_key_id(self) -> str:
        """Raises: BadKeys, KeysUnavailable."""
        return await self._ask(self._current)

    async def key_ids(self) -> tuple[str, ...]:
        """Every key there is, the oldest first. Raises: BadKeys, KeysUnavailable."""
        return await self._ask(self._ids)

    async def add_key(self) -> str:
        """Make a new current key inside the module. Raises: BadKeys, KeysUnavailable."""
        return await self._ask(self._add)

    async def aclose(self) -> None:
        """End the session, once whoever is at the module has finished: the last session to close logs everyone out."""
        self._thread.submit(self._close)
        self._thread.shutdown(wait=False)

    def _close(self) -> None:
        with _one_at_a_time:
            self._forget_session()

    async def _ask(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._thread, self._answer, work), self._timeout_s)
        except TimeoutError:
            raise KeysUnavailable("the security module does not answer") from None

    def _answer(self, work: Callable[[], T]) -> T:
        with _one_at_a_time:
            return self._work(work)

    def _work(self, work: Callable[[], T]) -> T:
        """Do it; once more over a new session if the old one broke."""
        error = self._pkcs11.exceptions
        for last in (False, True):
            fresh = self._session is None
            try:
                self._open()
                return work()
            except (error.PinIncorrect, error.PinInvalid, error.PinLocked, error.PinExpired, error.PinLenRange):
                self._refused = True
                raise BadKeys("the security module refuses the PIN") from None
            except self._pkcs11.PKCS11Error as failure:
                self._forget_session()
                if fresh or last:
                    self._stale = True
                    raise KeysUnavailable(f"the security module failed: {type(failure).__name__}") from None
        raise AssertionError("the last round returns or raises")

    def _open(self) -> None:
        if self._session is not None:
            return
        if self._refused:
            raise BadKeys("the security module refused the PIN before; correct it and start again")
        library = self._pkcs11.lib(self._module)
        if self._stale:
            library.reinitialize()  # Ends every session of this process; others open theirs again.
            _logged_in.clear()
            self._stale = False
        if self._slot is None:
            token = library.get_token(token_label=self._token)
        else:
            token = next((slot for slot in library.get_slots(token_present=True) if slot.slot_id == self._slot), None)
            if token is None:
                raise self._pkcs11.exceptions.TokenNotPresent
            token = token.get_token()
        with contextlib.suppress(self._pkcs11.exceptions.UserAlreadyLoggedIn):  # It counts for the whole process.
            _logged_in[self._module, self._token or self._slot] = token.open(user_pin=self._pin(), rw=True)
        self._session = token.open(rw=True)

    def _forget_session(self) -> None:
        session, self._session = self._session, None
        self._keys.clear()
        if session is not None:
            try:
                session.close()
            except self._pkcs11.PKCS11Error:
                return  # It was broken already.

    def _find(self) -> dict[int, Any]:
        """Our keys by number."""
        self._session.generate_random(
            64
        )  # A dead session is told here; a search over it would complain when cleared away.
        found = {}
        objects = self._session.get_objects({self._pkcs11.Attribute.CLASS: self._pkcs11.ObjectClass.SECRET_KEY})
        for key in objects:
            match = re.fullmatch(re.escape(self._label) + r"-([0-9]{1,6})", key.label or "")
            if match:
                found[int(match[1])] = key
        return found

    def _ids(self) -> tuple[str, ...]:
        return tuple(f"{self._label}-{number}" for number in sorted(self._find()))

    def _current(self) -> str:
        ids = self._ids()
        if not ids:
            raise BadKeys("the module has no key of ours; `omniroute secrets add-key` makes one", label=self._label)
        return ids[-1]

    def _add(self) -> str:
        attribute = self._pkcs11.Attribute
        key_id = f"{self._label}-{max(self._find(), default=0) + 1}"
        self._session.generate_key(
            self._pkcs11.KeyType.AES,
            256,
            label=key_id,
            store=True,
            template={
                attribute.SENSITIVE: True,
                attribute.EXTRACTABLE: False,
                attribute.ENCRYPT: True,
                attribute.DECRYPT: True,
                attribute.WRAP: False,
                attribute.UNWRAP: False,
            },
        )
        return key_id

    def _key(self, key_id: str) -> Any:
        if key_id not in self._keys:
            self._keys.update({f"{self._label}-{number}": key for number, key in self._find().items()})
        if key_id not in self._keys:
            raise KeyMissing(key_id=key_id)
        return self._keys[key_id]

    def _wrap(self, data_key: bytes, context: bytes) -> Wrapped:
        key_id = self._current()
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._key(key_id).encrypt(data_key, **self._gcm(nonce, key_id, context))
        return Wrapped(key_id, nonce + bytes(sealed))

    def _unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        key = self._key(wrapped.key_id)
        nonce, data = wrapped.data[:NONCE_BYTES], wrapped.data[NONCE_BYTES:]
        try:
            return bytes(key.decrypt(data, **self._gcm(nonce, wrapped.key_id, context)))
        except self._pkcs11.PKCS11Error:
            self._prove(wrapped.key_id)
            raise SecretDamaged() from None

    def _prove(self, key_id: str) -> None:
        """Raises: PKCS11Error when the key does not work."""
        parameters = self._gcm(os.urandom(NONCE_BYTES), key_id, b"proof")
        key = self._key(key_id)
        if bytes(key.decrypt(key.encrypt(b"proof", **parameters), **parameters)) != b"proof":
            raise self._pkcs11.exceptions.DeviceError

    def _gcm(self, nonce: bytes, key_id: str, context: bytes) -> dict[str, Any]:
        bound = key_id.encode("ascii") + b"\x00" + context
        return {
            "mechanism": self._pkcs11.Mechanism.AES_GCM,
            "mechanism_param": self._pkcs11.mechanisms.GCMParams(nonce, bound, TAG_BITS),
        }
