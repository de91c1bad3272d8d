"""Passwords: argon2id (RFC 9106) in a few threads of their own, so that hashing never stops the event loop.

Each hash takes 64 MiB and tens of milliseconds on purpose. Two at a time and 32 waiting bound the memory and the wait;
beyond that we say that we are busy. An unknown account is checked against a decoy and takes as long as a known one.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from omniroute.parties.people.errors import PasswordsBusy, PasswordWeak

P = ParamSpec("P")
T = TypeVar("T")

LENGTH_MIN = 12
LENGTH_MAX = 256
THREADS = 2
WAITING_MAX = 32


class Passwords:
    """Hashes and checks passwords with one set of parameters."""

    def __init__(self, *, time_cost: int = 3, memory_cost_kib: int = 65_536, parallelism: int = 4) -> None:
        self._hasher = PasswordHasher(
            time_cost=time_cost, memory_cost=memory_cost_kib, parallelism=parallelism, type=Type.ID
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._waiting = 0
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The argon2id hash of a password, with its salt and parameters.

        Raises: PasswordsBusy.
        """
        return await self._run(self._hasher.hash, password)

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether it is the password. Without a stored hash it never is, and takes as long.

        Raises: PasswordsBusy.
        """
        if self._decoy is None:
            self._decoy = await self.hash("decoy")
        right = await self._run(self._verify, password, stored or self._decoy)
        return right and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, password.encode("utf-8", "surrogatepass"))
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._waiting >= THREADS + WAITING_MAX:
            raise PasswordsBusy(retry_after_s=1)
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **kwargs))
        # Counted until the thread is done, also when the one who asked has gone.
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def _done(self, _: object) -> None:
        self._waiting -= 1


PASSWORDS = Passwords()
"""The process's own; its threads start with the first login."""


def check_password(password: str, email: str) -> None:
    """A password worth hashing: length over rules (NIST SP 800-63B), and not the email again.

    Raises: PasswordWeak.
    """
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX or not password.isprintable():
        raise PasswordWeak(length_min=LENGTH_MIN, length_max=LENGTH_MAX)
    name = email.partition("@")[0].lower()
    if password.lower() == email.lower() or (len(name) >= 6 and name in password.lower()):
        raise PasswordWeak("the password contains the email", length_min=LENGTH_MIN, length_max=LENGTH_MAX)
    if len(set(password)) < 5:
        raise PasswordWeak("the password repeats too few characters", length_min=LENGTH_MIN, length_max=LENGTH_MAX)
