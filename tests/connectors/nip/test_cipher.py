"""What is sealed opens for the one it is for, and for nobody else; what was touched opens for nobody."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.connectors.nip import CipherBroken, PlainCipher
from omniroute.connectors.nip.cipher import cipher_of
from omniroute.ports.rails import NotSent
from tests.connectors.nip.stage import PUBLIC, SECRET, cipher, pem, public_pem
from tests.connectors.outside import make_context

OURS, THEIRS = cipher("bank", "nibss"), cipher("nibss", "bank")
SEALED = OURS.seal(b"<NESingleRequest/>")


@given(st.binary(max_size=2_000))
def test_what_is_sealed_opens_for_the_other_side(message: bytes) -> None:
    assert THEIRS.open(OURS.seal(message)) == message


@given(st.text())
def test_plain_text_stays_as_it_is(text: str) -> None:
    message = text.strip().encode("utf-8", "replace")
    assert PlainCipher().open(PlainCipher().seal(message)) == message


def test_nothing_of_the_message_shows_and_no_two_are_the_same() -> None:
    assert "NESingle" not in SEALED
    assert b"NESingle" not in base64.b64decode(SEALED)
    assert OURS.seal(b"<NESingleRequest/>") != SEALED
    assert THEIRS.open(f"\n {SEALED[:40]}\n{SEALED[40:]}\n") == b"<NESingleRequest/>"


@given(st.integers(0, len(base64.b64decode(SEALED)) * 8 - 1))
def test_one_bit_changed_is_refused(bit: int) -> None:
    data = bytearray(base64.b64decode(SEALED))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CipherBroken):
        THEIRS.open(base64.b64encode(bytes(data)).decode())


@pytest.mark.parametrize("sealed", ["", "no", "€", "TkgxAAAA", "<a/>", SEALED[:-8], SEALED[:400], "TkgxAAAA" * 60])
def test_garbage_is_refused(sealed: str) -> None:
    with pytest.raises(CipherBroken):
        THEIRS.open(sealed)


def test_who_signed_and_for_whom_must_be_right() -> None:
    for forged in (
        cipher("stranger", "bank").seal(b"00"),  # Not signed by the other side.
        cipher("nibss", "stranger").seal(b"00"),  # Meant for somebody else.
        OURS.seal(b"00"),  # Our own, sent back to us.
    ):
        with pytest.raises(CipherBroken):
            OURS.open(forged)
    assert OURS.open(THEIRS.seal(b"00")) == b"00"


def test_a_message_passed_on_under_a_new_cover_is_refused() -> None:
    """The bank signs for the gateway; a dishonest gateway hides the same signed text for NIBSS."""
    gateway = cipher("gateway", "bank")
    sealed = cipher("bank", "gateway").seal(b"pay")
    assert gateway.open(sealed) == b"pay"
    with pytest.raises(CipherBroken):
        cipher("nibss", "bank").open(_covered_anew(sealed))


def _covered_anew(sealed: str) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from omniroute.connectors.nip.cipher import _OAEP, VERSION
    from tests.connectors.nip.stage import key

    data = base64.b64decode(sealed)
    aes, nonce = key("gateway").decrypt(data[3:259], _OAEP), data[259:271]
    inside = AESGCM(aes).decrypt(nonce, data[271:], VERSION)
    wrapped = key("nibss").public_key().encrypt(aes, _OAEP)
    hidden = AESGCM(aes).encrypt(b"0" * 12, inside, VERSION)
    return base64.b64encode(VERSION + wrapped + b"0" * 12 + hidden).decode()


def credentials(public: dict[str, Any], secret: dict[str, str]) -> Any:
    return make_context(None, "https://nip.example.com", {**PUBLIC, **public}, {**SECRET, **secret}).credentials


def test_the_connection_names_its_cipher() -> None:
    found = cipher_of(
        credentials({"cipher": "hybrid", "peer_public_key": public_pem("nibss")}, {"private_key": pem("bank")})
    )
    assert found.signs
    assert THEIRS.open(found.seal(b"x")) == b"x"
    assert not cipher_of(credentials({"cipher": "plain"}, {})).signs


@pytest.mark.parametrize(
    ("public", "secret"),
    [
        ({"cipher": ""}, {}),
        ({"cipher": "pgp"}, {}),
        ({"cipher": "hybrid"}, {}),
        ({"cipher": "hybrid", "peer_public_key": public_pem("nibss")}, {"private_key": "no key"}),
        ({"cipher": "hybrid", "peer_public_key": pem("nibss")}, {"private_key": pem("bank")}),
        ({"cipher": "hybrid", "peer_public_key": public_pem("short", 1024)}, {"private_key": pem("bank")}),
    ],
)
def test_without_a_cipher_nothing_is_sent(public: dict[str, str], secret: dict[str, str]) -> None:
    with pytest.raises(NotSent) as refused:
        cipher_of(credentials(public, secret))
    assert "PRIVATE" not in str(refused.value)
