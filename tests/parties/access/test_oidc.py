"""Tokens of outside providers: accepted as configured, and every known way to forge one refused."""

import asyncio
import base64
import hmac
import json
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from omniroute.infra.postgres import Database
from omniroute.parties import access
from omniroute.parties.access import Authenticator, Permission, ProviderConfig
from tests.parties.makers import META, NOW, Org, make_organisation, refuses, state

ISSUER = "https://login.acme.example/"
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed-1"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa-1"})
NOW_S = int(NOW.timestamp())


def jwks(*keys: Any) -> dict[str, Any]:
    """A key set as a provider publishes it."""
    return {"keys": [key.as_dict(private=False) for key in keys or (RSA, EC, ED)]}


def make_token(key: Any, algorithm: str, audience: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token of the provider; a claim of None is left out."""
    everything = {
        "iss": ISSUER, "aud": audience, "sub": "ada", "roles": ["books"], "exp": NOW_S + 300, "iat": NOW_S,
    } | claims  # fmt: skip
    kept = {name: value for name, value in everything.items() if value is not None}
    head = {"alg": algorithm, "kid": key.kid} | (header or {})
    every = ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # Many providers write EdDSA, though it is deprecated.
        return jwt.encode({n: v for n, v in head.items() if v is not None}, kept, key, algorithms=every)


async def configure(org: Org, **changes: Any) -> access.Provider:
    """Accept the provider's tokens for an audience of this organisation's own."""
    wanted: dict[str, Any] = {
        "name": "idp", "issuer": ISSUER, "audience": org.slug, "jwks": jwks(),
        "algorithms": ("RS256", "ES256", "Ed25519", "EdDSA"), "role_map": {"books": "finance_admin", "look": "auditor"},
    }  # fmt: skip
    async with org.db.tx(org.id) as tx:
        return await access.create_provider(
            tx, ProviderConfig(**(wanted | changes)), caller=org.owner, loopback_allowed=True, now=NOW, meta=META
        )


@pytest.fixture(scope="module")
async def org(app_db: Database) -> Org:
    """An organisation that accepts the provider's tokens."""
    made = await make_organisation(app_db)
    await configure(made)
    return made


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256"), (ED, "Ed25519"), (ED, "EdDSA")])
async def test_a_token_of_the_provider_lets_in(app_db: Database, org: Org, key: Any, algorithm: str) -> None:
    text = make_token(key, algorithm, org.slug)
    caller = await Authenticator(app_db).authenticate(f"Bearer {text}", now=NOW)
    again = await Authenticator(app_db).authenticate(f"Bearer {text}", now=NOW)
    assert (caller.tenant_id, caller.kind, caller.name) == (org.id, "user", "ada")
    assert caller.permissions == access.BUILT_IN["finance_admin"][1]
    assert caller.subject == again.subject
    other = await Authenticator(app_db).authenticate(
        f"Bearer {make_token(key, algorithm, org.slug, sub='ben')}", now=NOW
    )
    assert other.subject != caller.subject


@pytest.mark.parametrize(
    ("claims", "permissions"),
    [
        ({"roles": ["look", "unheard of"]}, access.BUILT_IN["auditor"][1]),
        ({"roles": "look books"}, access.BUILT_IN["auditor"][1] | access.BUILT_IN["finance_admin"][1]),
        ({"roles": []}, frozenset()),
        ({"roles": None}, frozenset()),
        ({"roles": {"books": True}}, frozenset()),
        ({"roles": ["owner", Permission.LEDGER_POST]}, frozenset()),
        ({"exp": NOW_S - 59}, access.BUILT_IN["finance_admin"][1]),
        ({"nbf": NOW_S + 60}, access.BUILT_IN["finance_admin"][1]),
    ],
)
async def test_claims_mean_what_the_organisation_says(
    app_db: Database, org: Org, claims: dict[str, Any], permissions: frozenset[str]
) -> None:
    text = make_token(RSA, "RS256", org.slug, **claims)
    assert (await Authenticator(app_db).authenticate(f"Bearer {text}", now=NOW)).permissions == permissions


def edited(text: str, *, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None) -> str:
    """A token whose parts were changed after it was signed."""
    parts = text.split(".")
    for place, changes in ((0, header), (1, claims)):
        if changes is not None:
            before = json.loads(base64.urlsafe_b64decode(parts[place] + "=="))
            after = json.dumps(before | changes).encode()
            parts[place] = base64.urlsafe_b64encode(after).decode().rstrip("=")
    return ".".join(parts)


Forge = Callable[[str], str]


def hmac_signed(audience: str) -> str:
    """A token signed with HS256 and the public key as its secret, put together by hand: libraries refuse to do it."""
    parts = make_token(RSA, "RS256", audience).split(".")
    parts[0] = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "rsa-1"}).encode()).decode().rstrip("=")
    mac = hmac.digest(RSA.as_pem(private=False), f"{parts[0]}.{parts[1]}".encode(), "sha256")
    return f"{parts[0]}.{parts[1]}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


ATTACKS: dict[str, tuple[str, Forge]] = {
    "hmac with the public key": ("unknown", hmac_signed),
    "no signature": (
        "unknown",
        lambda a: edited(make_token(RSA, "RS256", a), header={"alg": "none"}).rpartition(".")[0] + ".",
    ),
    "signature cut off": ("unknown", lambda a: make_token(RSA, "RS256", a).rpartition(".")[0] + "."),
    "none written over": ("unknown", lambda a: edited(make_token(RSA, "RS256", a), header={"alg": "none"})),
    "None in capitals": ("unknown", lambda a: edited(make_token(RSA, "RS256", a), header={"alg": "NONE"})),
    "an algorithm not configured": ("unknown", lambda a: make_token(RSA, "PS256", a)),
    "another's key, same kid": ("unknown", lambda a: make_token(STRANGER, "RS256", a)),
    "kid of a key of another type": ("unknown", lambda a: make_token(RSA, "RS256", a, header={"kid": "ec-1"})),
    "algorithm of another type": ("unknown", lambda a: edited(make_token(RSA, "RS256", a), header={"alg": "ES256"})),
    "unknown kid": ("unknown", lambda a: make_token(RSA, "RS256", a, header={"kid": "rsa-9"})),
    "own key in the header": (
        "unknown",
        lambda a: edited(make_token(STRANGER, "RS256", a), header={"jwk": STRANGER.as_dict(private=False)}),
    ),
    "key address in the header": (
        "unknown",
        lambda a: edited(make_token(STRANGER, "RS256", a), header={"jku": "https://evil.example/jwks"}),
    ),
    "crit": ("unknown", lambda a: edited(make_token(RSA, "RS256", a), header={"crit": ["exp"]})),
    "claims changed": ("unknown", lambda a: edited(make_token(RSA, "RS256", a), claims={"sub": "eve"})),
    "another issuer": ("unknown", lambda a: make_token(RSA, "RS256", a, iss="https://evil.example/")),
    "issuer without its slash": ("unknown", lambda a: make_token(RSA, "RS256", a, iss=ISSUER[:-1])),
    "another audience": ("unknown", lambda a: make_token(RSA, "RS256", "another")),
    "no audience": ("malformed", lambda a: make_token(RSA, "RS256", a, aud=None)),
    "expired": ("expired", lambda a: make_token(RSA, "RS256", a, exp=NOW_S - 60)),
    "no expiry": ("unknown", lambda a: make_token(RSA, "RS256", a, exp=None)),
    "expiry beyond arithmetic": ("unknown", lambda a: make_token(RSA, "RS256", a, exp=10**30)),
    "expiry true": ("unknown", lambda a: make_token(RSA, "RS256", a, exp=True)),
    "not yet": ("unknown", lambda a: make_token(RSA, "RS256", a, nbf=NOW_S + 61)),
    "issued in the future": ("unknown", lambda a: make_token(RSA, "RS256", a, iat=NOW_S + 61)),
    "no subject": ("unknown", lambda a: make_token(RSA, "RS256", a, sub=None)),
    "empty subject": ("unknown", lambda a: make_token(RSA, "RS256", a, sub="")),
    "no kid among several": ("unknown", lambda a: make_token(STRANGER, "RS256", a, header={"kid": None})),
    "kid a number": ("malformed", lambda a: edited(make_token(RSA, "RS256", a), header={"kid": 7})),
    "deep header": ("malformed", lambda a: base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.x"),
    "too long": ("malformed", lambda a: make_token(RSA, "RS256", a, pad="x" * 8200)),
    "NUL in the issuer": ("malformed", lambda a: make_token(RSA, "RS256", a, iss="https://\x00")),
    "half a character in the issuer": (
        "malformed",
        lambda a: edited(make_token(RSA, "RS256", a), claims={"iss": "\ud800"}),
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_forged_token_is_refused(app_db: Database, owner_db: Database, org: Org, attack: str) -> None:
    outcome, forge = ATTACKS[attack]
    before = await state(owner_db)
    with refuses(f"access.credentials_{outcome}"):
        await Authenticator(app_db).authenticate(f"Bearer {forge(org.slug)}", now=NOW)
    assert await state(owner_db) == before


async def test_two_organisations_with_one_provider_are_told_apart_by_the_path(app_db: Database) -> None:
    one, two = await make_organisation(app_db), await make_organisation(app_db)
    for each in (one, two):
        await configure(each, audience="shared-by-both", role_map={"books": "auditor"})
    header = f"Bearer {make_token(RSA, 'RS256', 'shared-by-both')}"
    gate = Authenticator(app_db)

    assert (await gate.authenticate(header, now=NOW, tenant=two.slug)).tenant_id == two.id
    assert (await gate.authenticate(header, now=NOW, tenant=one.slug)).tenant_id == one.id
    for tenant in (None, "another"):
        with refuses("access.credentials_unknown"):
            await gate.authenticate(header, now=NOW, tenant=tenant)


async def test_configurations_that_cannot_be(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    provider = await configure(org)
    private = {"keys": [RSA.as_dict(private=True)]}
    before = await state(owner_db)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("access.provider_exists", {}),
        ("access.malformed", {"audience": "b", "algorithms": ("HS256",)}),
        ("access.malformed", {"audience": "b", "algorithms": ("none",)}),
        ("access.malformed", {"audience": "b", "algorithms": ()}),
        ("access.malformed", {"audience": "b", "issuer": "login"}),
        ("access.malformed", {"audience": "b", "issuer": "https://[x"}),
        ("access.malformed", {"audience": ""}),
        ("access.malformed", {"audience": "b", "jwks": None}),
        ("access.malformed", {"audience": "b", "jwks": {"keys": []}}),
        ("access.malformed", {"audience": "b", "jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}),
        ("access.malformed", {"audience": "b", "jwks": private}),
        ("access.malformed", {"audience": "b", "jwks": {"keys": [{"kty": "RSA", "n": "u" * 171, "e": "AQAB"}]}}),
        ("access.malformed", {"audience": "b", "jwks_uri": "https://login.acme.example/jwks"}),
        ("access.malformed", {"audience": "b", "jwks": None, "jwks_uri": "http://login.acme.example/jwks"}),
        ("access.malformed", {"audience": "b", "jwks": None, "jwks_uri": "https://u:p@login.acme.example/jwks"}),
        ("access.malformed", {"audience": "b", "clock_skew_s": 301}),
        ("access.role_not_found", {"audience": "b", "role_map": {"x": "nobody"}}),
    ]
    for code, changes in cases:
        with refuses(code):
            await configure(org, **changes)
    config = ProviderConfig("idp", ISSUER, org.slug, jwks=jwks())
    with refuses("access.stale_version"):
        async with app_db.tx(org.id) as tx:
            await access.update_provider(tx, provider.id, config, version=4, caller=org.owner, now=NOW, meta=META)
    assert await state(owner_db) == before

    async with app_db.tx(org.id) as tx:
        disabled = await access.update_provider(
            tx, provider.id, config, version=1, status="disabled", caller=org.owner, now=NOW, meta=META
        )
    assert (disabled.status, disabled.version) == ("disabled", 2)
    with refuses("access.credentials_unknown"):
        await Authenticator(app_db).authenticate(f"Bearer {make_token(RSA, 'RS256', org.slug)}", now=NOW)


Answer = Callable[[], Awaitable[tuple[str, bytes]]]


@asynccontextmanager
async def provider(answer: list[tuple[str, bytes]]) -> AsyncIterator[str]:
    """A provider on loopback that answers with the last (status, body) of the list."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status, body = answer[-1]
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        with suppress(ConnectionError):  # The reader may have had enough.
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"


async def test_keys_are_fetched_kept_and_fetched_again_for_a_new_kid(app_db: Database) -> None:
    org = await make_organisation(app_db)
    answers = [("200 OK", json.dumps(jwks(RSA)).encode())]
    gate = Authenticator(app_db, loopback_allowed=True, keep_s=0)
    async with provider(answers) as uri:
        await configure(org, jwks=None, jwks_uri=uri)
        for sub in ("a", "b", "c"):
            text = make_token(RSA, "RS256", org.slug, sub=sub)
            assert (await gate.authenticate(f"Bearer {text}", now=NOW)).name == sub
        assert gate.key_cache.fetch_count == 1

        answers.append(("200 OK", json.dumps(jwks(RSA, EC)).encode()))
        fresh = make_token(EC, "ES256", org.slug)
        for kept in gate.key_cache._kept.values():
            kept.fetched -= 61  # As if the last fetch were a minute ago.
        assert (await gate.authenticate(f"Bearer {fresh}", now=NOW)).name == "ada"
        assert gate.key_cache.fetch_count == 2

        for n in range(5):
            text = make_token(EC, "ES256", org.slug, header={"kid": f"made-up-{n}"})
            with refuses("access.credentials_unknown"):
                await gate.authenticate(f"Bearer {text}", now=NOW)
        assert gate.key_cache.fetch_count == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("500 Oops", b"{}"),
        ("302 Found", b"{}"),
        ("200 OK", b"not json"),
        ("200 OK", b"[" * 100_000),
        ("200 OK", b'{"keys": 7}'),
        ("200 OK", b" " * 300_000 + json.dumps(jwks()).encode()),
    ],
)
async def test_a_provider_that_answers_badly(app_db: Database, status: str, body: bytes) -> None:
    org = await make_organisation(app_db)
    gate = Authenticator(app_db, loopback_allowed=True)
    async with provider([(status, body)]) as uri:
        await configure(org, jwks=None, jwks_uri=uri)
        for sub in ("a", "b"):
            with refuses("access.provider_unreachable"):
                await gate.authenticate(f"Bearer {make_token(RSA, 'RS256', org.slug, sub=sub)}", now=NOW)
    assert gate.key_cache.fetch_count == 1


async def test_loopback_is_not_fetched_from_unless_the_settings_say_so(app_db: Database) -> None:
    org = await make_organisation(app_db)
    async with provider([("200 OK", json.dumps(jwks()).encode())]) as uri:
        await configure(org, jwks=None, jwks_uri=uri)
        text = make_token(RSA, "RS256", org.slug)
        with refuses("access.provider_unreachable"):
            await Authenticator(app_db).authenticate(f"Bearer {text}", now=NOW)
    for private in (
        "https://127.0.0.1:1/jwks",
        "https://10.0.0.1/jwks",
        "https://[::1]/jwks",
        "https://169.254.169.254/",
    ):
        with refuses("access.provider_unreachable"):
            await Authenticator(app_db).key_cache.keys(private, needed=None)
