"""Master keys in a security module: SoftHSM, which speaks PKCS#11 like the real ones.

Without SoftHSM (Debian: softhsm2) these tests are skipped, loudly; with CI=true they fail.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from omniroute.infra.secrets import (
    BadKeys,
    Binding,
    HsmKeys,
    KeyMissing,
    KeysUnavailable,
    SecretDamaged,
    SecretMisplaced,
    Vault,
    Wrapped,
    key_id_of,
    open_keys,
)

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
MODULE = next((path for path in MODULES if Path(path).exists()), None)
PIN = "482913"
BINDING = Binding(None, "signing_key", "one")


@dataclass(frozen=True)
class Token:
    """A token of its own for this module of tests."""

    folder: Path
    module: str

    def keys(self, label: str, *, pin: str = PIN) -> HsmKeys:
        return HsmKeys(self.module, pin=lambda: pin, token="omniroute-test", label=label)


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Token:
    tool = shutil.which("softhsm2-util")
    if MODULE is None or tool is None:
        missing = "SoftHSM is not installed (apt-get install softhsm2): keys in a security module are NOT TESTED"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(config)  # Read once, when the library is loaded.
    command = [tool, "--init-token", "--free", "--label", "omniroute-test", "--pin", PIN, "--so-pin", "00000000"]
    subprocess.run(command, check=True, capture_output=True)
    return Token(folder, MODULE)


@pytest.fixture
async def keys(token: Token, request: pytest.FixtureRequest) -> AsyncIterator[HsmKeys]:
    made = token.keys(f"omni.{abs(hash(request.node.name)) % 10**8}")
    await made.add_key()
    yield made
    await made.aclose()


async def test_what_is_sealed_opens_for_its_record_only(keys: HsmKeys) -> None:
    vault = Vault(keys)
    sealed = await vault.seal(BINDING, b"secret")
    assert await vault.open(BINDING, sealed) == b"secret"
    with pytest.raises(SecretMisplaced):
        await vault.open(Binding(None, "signing_key", "two"), sealed)
    wrapped = await keys.wrap(b"d" * 32, b"use")
    with pytest.raises(SecretDamaged):
        await keys.unwrap(wrapped, b"another use")
    with pytest.raises(SecretDamaged):
        await keys.unwrap(Wrapped(wrapped.key_id, wrapped.data[:-1] + b"\x00"), b"use")
    with pytest.raises(SecretDamaged):
        await keys.unwrap(Wrapped(wrapped.key_id, b""), b"use")
    assert await keys.unwrap(wrapped, b"use") == b"d" * 32


async def test_keys_never_leave_the_module(keys: HsmKeys, token: Token) -> None:
    import pkcs11

    session: Any = pkcs11.lib(token.module).get_token(token_label="omniroute-test").open()
    found = list(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY}))
    assert found
    for key in found:
        with pytest.raises(pkcs11.exceptions.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]
        assert key[pkcs11.Attribute.EXTRACTABLE] is False
    session.close()
    assert PIN not in repr(keys)


async def test_rotation_and_missing_keys(keys: HsmKeys, token: Token) -> None:
    vault = Vault(keys)
    sealed = await vault.seal(BINDING, b"secret")
    old, new = key_id_of(sealed), await keys.add_key()
    assert await keys.key_ids() == (old, new)
    again = await vault.rewrap(BINDING, sealed)
    assert key_id_of(again) == new
    assert await vault.open(BINDING, again) == await vault.open(BINDING, sealed) == b"secret"
    other = token.keys("nobody")
    with pytest.raises(KeyMissing):
        await Vault(other).open(BINDING, sealed)
    with pytest.raises(BadKeys, match="no key"):
        await other.current_key_id()
    await other.aclose()


async def test_a_lost_session_is_opened_again(keys: HsmKeys) -> None:
    wrapped = await keys.wrap(b"d" * 32, b"")
    keys._session.close()
    assert await keys.unwrap(wrapped, b"") == b"d" * 32
    keys._session.close()
    assert (await keys.wrap(b"d" * 32, b"")).key_id == wrapped.key_id


async def test_a_module_that_is_down_is_not_damage_and_it_comes_back(token: Token, keys: HsmKeys) -> None:
    vault = Vault(keys)
    sealed = await vault.seal(BINDING, b"secret")
    (token.folder / "tokens").rename(token.folder / "away")
    try:
        for _ in range(2):
            with pytest.raises(KeysUnavailable):
                await vault.open(BINDING, sealed)
        with pytest.raises(KeysUnavailable):
            await vault.seal(BINDING, b"more")
    finally:
        (token.folder / "away").rename(token.folder / "tokens")
    assert await vault.open(BINDING, sealed) == b"secret"


async def test_a_module_that_does_not_answer_holds_nobody_up(token: Token) -> None:
    keys = HsmKeys(token.module, pin=lambda: PIN, token="omniroute-test", timeout_s=0.05)
    go = asyncio.Event()
    loop = asyncio.get_running_loop()
    keys._thread.submit(lambda: asyncio.run_coroutine_threadsafe(go.wait(), loop).result())
    with pytest.raises(KeysUnavailable, match="does not answer"):
        await keys.current_key_id()
    go.set()
    await keys.aclose()


def test_wrong_pins_tokens_and_modules_are_refused_by_name(token: Token) -> None:
    """In a process of its own: a log-in counts for all of a process."""
    program = f"""
import asyncio
from pathlib import Path
from omniroute.infra.secrets import BadKeys, HsmKeys, KeysUnavailable

async def main():
    asked = []
    keys = HsmKeys({token.module!r}, pin=lambda: asked.append(1) or "999999", token="omniroute-test")
    for _ in range(5):
        try:
            await keys.current_key_id()
        except BadKeys as error:
            assert "999999" not in str(error)
        else:
            raise SystemExit("opened")
    assert len(asked) == 1, asked
    missing = HsmKeys({token.module!r}, pin=lambda: "1", token="no such token")
    wrong = HsmKeys("/etc/hostname", pin=lambda: "1", slot=1)
    gone = HsmKeys({token.module!r}, pin=lambda: "1", slot=987654321)
    for keys in (missing, gone, wrong):
        try:
            await keys.current_key_id()
        except KeysUnavailable:
            pass
        else:
            raise SystemExit("opened")

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], check=True)


async def test_settings_lead_to_the_module(token: Token, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text(PIN + "\n")
    keys = open_keys(
        "pkcs11", folder=tmp_path, module=token.module, token="omniroute-test", label="byfile", pin_file=str(pin)
    )
    assert await keys.add_key() == "byfile-1"
    with pytest.raises(BadKeys):
        HsmKeys(token.module, pin=lambda: PIN)
