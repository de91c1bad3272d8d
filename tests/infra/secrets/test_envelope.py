"""Sealed secrets open for their record only, and damage never opens."""

import json
import pickle
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.infra.secrets import (
    Binding,
    FileKeys,
    KeyMissing,
    SecretDamaged,
    SecretMisplaced,
    Vault,
    key_id_of,
    rotate,
)

TENANT = UUID("01936d5e-0000-7000-8000-000000000001")
OTHER = UUID("01936d5e-0000-7000-8000-000000000002")
RECORD = UUID("01936d5e-0000-7000-8000-000000000003")
BINDING = Binding(TENANT, "bank_connection", RECORD)
SECRET = b"consumer-secret-hunter2"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(FileKeys.create(tmp_path / "keys"))


async def test_what_is_sealed_opens_and_is_not_to_be_seen(vault: Vault) -> None:
    sealed = await vault.seal(BINDING, SECRET)
    assert await vault.open(BINDING, sealed) == SECRET
    assert SECRET not in sealed
    assert await vault.seal(BINDING, SECRET) != sealed
    assert await vault.open(BINDING, memoryview(sealed)) == SECRET  # type: ignore[arg-type]  # As drivers give it.


@pytest.mark.parametrize(
    "other",
    [
        Binding(OTHER, "bank_connection", RECORD),
        Binding(None, "bank_connection", RECORD),
        Binding(TENANT, "signing_key", RECORD),
        Binding(TENANT, "bank_connection", OTHER),
        Binding(TENANT, "bank_connectio", f"n{RECORD}"),
    ],
)
async def test_moved_to_another_record_it_does_not_open(vault: Vault, other: Binding) -> None:
    sealed = await vault.seal(BINDING, SECRET)
    with pytest.raises(SecretMisplaced):
        await vault.open(other, sealed)
    with pytest.raises(SecretMisplaced):
        await vault.rewrap(other, sealed)
    # The fingerprint of the other record forged into it does not help.
    forged = sealed.replace(_print(sealed), _print(await vault.seal(other, b"x")))
    with pytest.raises(SecretDamaged):
        await vault.open(other, forged)


async def test_parts_of_two_secrets_do_not_make_a_third(vault: Vault) -> None:
    first = await vault.seal(BINDING, b"first")
    second = await vault.seal(BINDING, b"other")
    for cut in range(len(first)):
        mixed = first[:cut] + second[cut:]
        if mixed not in (first, second):
            with pytest.raises(SecretDamaged):
                await vault.open(BINDING, mixed)


async def test_every_flipped_byte_and_every_cut_is_refused(vault: Vault) -> None:
    sealed = await vault.seal(BINDING, SECRET)
    for at in range(len(sealed)):
        broken = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises((SecretDamaged, SecretMisplaced, KeyMissing)):
            await vault.open(BINDING, broken)
        with pytest.raises((SecretDamaged, SecretMisplaced, KeyMissing)):
            await vault.open(BINDING, sealed[:at])
    with pytest.raises(SecretDamaged):
        await vault.open(BINDING, sealed + b"\x00")


@settings(max_examples=200, deadline=None)
@given(junk=st.binary(max_size=200), known_head=st.booleans())
def test_junk_is_refused(junk: bytes, known_head: bool) -> None:
    with pytest.raises((SecretDamaged, KeyMissing)):
        key_id_of(b"OS\x01\x01\xff" + junk[:20] if known_head else junk)


@given(
    first=st.tuples(st.sampled_from([None, TENANT, OTHER]), st.text(max_size=6), st.text(max_size=6)),
    second=st.tuples(st.sampled_from([None, TENANT, OTHER]), st.text(max_size=6), st.text(max_size=6)),
)
def test_no_two_bindings_are_the_same_bytes(
    first: tuple[UUID | None, str, str], second: tuple[UUID | None, str, str]
) -> None:
    assert (Binding(*first).encode() == Binding(*second).encode()) == (first == second)


async def test_named_secrets_show_their_names_only(vault: Vault) -> None:
    fields = {"client_secret": "hunter2", "passkey": "bfb279\u00e9"}
    sealed = await vault.seal_fields(BINDING, fields)
    opened = await vault.open_fields(BINDING, sealed)
    assert dict(opened) == fields
    assert len(opened) == 2
    assert f"{opened} {opened!r}" == "<SecretFields client_secret, passkey> <SecretFields client_secret, passkey>"
    with pytest.raises(TypeError):
        pickle.dumps(opened)
    for plain in (b"no json", b"[]", json.dumps({"a": 1}).encode()):
        with pytest.raises(SecretDamaged):
            await vault.open_fields(BINDING, await vault.seal(BINDING, plain))


async def test_a_new_master_key_means_new_wrapping_only(vault: Vault) -> None:
    sealed = await vault.seal(BINDING, SECRET)
    old = key_id_of(sealed)
    assert await vault.rewrap(BINDING, sealed) == sealed
    new = await vault.keys.add_key()
    again = await vault.rewrap(BINDING, sealed)
    assert (key_id_of(sealed), key_id_of(again)) == (old, new)
    assert again[-len(SECRET) - 28 :] == sealed[-len(SECRET) - 28 :]  # Nonce and ciphertext are the same.
    anew = await vault.reencrypt(BINDING, sealed)
    assert key_id_of(anew) == new
    assert anew[-len(SECRET) - 28 :] != sealed[-len(SECRET) - 28 :]
    for form in (sealed, again, anew):
        assert await vault.open(BINDING, form) == SECRET


async def test_rewrap_does_not_need_a_whole_payload_and_does_not_mend_it(vault: Vault) -> None:
    sealed = await vault.seal(BINDING, SECRET)
    broken = sealed[:-1] + bytes([sealed[-1] ^ 1])
    await vault.keys.add_key()
    again = await vault.rewrap(BINDING, broken)
    with pytest.raises(SecretDamaged):
        await vault.open(BINDING, again)


@pytest.mark.parametrize("reencrypt", [False, True])
async def test_rotation_brings_every_record_over_and_names_what_it_cannot(vault: Vault, reencrypt: bool) -> None:
    stored = {Binding(TENANT, "bank_connection", f"{n}"): b"" for n in range(5)}
    for binding in stored:
        stored[binding] = await vault.seal(binding, str(binding.record_id).encode())
    first, second, third, *_ = stored
    stored[first] = stored[second]  # Somebody moved a row.
    await vault.keys.add_key()
    raced = await vault.seal(third, b"new")

    async def records() -> AsyncIterator[tuple[Binding, bytes]]:
        for binding, sealed in list(stored.items()):
            yield binding, sealed

    async def save(binding: Binding, before: bytes, after: bytes) -> bool:
        if binding == third:
            stored[third] = raced
        if stored[binding] != before:
            return False
        stored[binding] = after
        return True

    done = await rotate(vault, records(), save, reencrypt=reencrypt)
    assert (done.changed, done.overtaken, done.failed) == (3, 1, [(first, "secrets.misplaced")])
    again = await rotate(vault, records(), save)
    assert (again.changed, again.current, again.failed) == (0, 4, done.failed)
    assert await vault.open(second, stored[second]) == b"1"
    assert await vault.open(third, stored[third]) == b"new"


def _print(sealed: bytes) -> bytes:
    at = 5 + sealed[4]
    at += 2 + int.from_bytes(sealed[at : at + 2], "big")
    return sealed[at : at + 16]
