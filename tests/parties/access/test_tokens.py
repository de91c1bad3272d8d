"""OAuth2 client credentials: short tokens of our own, narrowed, signed, and ended by revoking the client."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from omniroute.infra.postgres import Database
from omniroute.infra.secrets import Binding, FileKeys, Vault
from omniroute.kit.ids import show
from omniroute.parties import access
from omniroute.parties.access import AccessToken, Authenticator, IssuedKey, Permission, client_id
from tests.parties.makers import META, NOW, make_organisation, refuses, state
from tests.vaults import the_vault


async def token(db: Database, client: IssuedKey, *, scope: str | None = None, **changes: Any) -> AccessToken:
    """Ask the token endpoint."""
    wanted: dict[str, Any] = {
        "grant_type": "client_credentials",
        "client_id": client_id(client.key.id),
        "client_secret": client.secret.text,
        "now": NOW,
    }
    return await access.issue_token(db, the_vault(), scope=scope, **(wanted | changes))


async def test_a_token_holds_the_scope_asked_and_no_more(app_db: Database) -> None:
    org = await make_organisation(app_db)
    branch = await org.branch("north")
    client = await org.key(Permission.LEDGER_READ, Permission.LEDGER_POST, kind="client", branch_ids=[branch.id])

    whole, narrow = await token(app_db, client), await token(app_db, client, scope="ledger.read")

    assert (whole.scope, whole.expires_in_s) == ("ledger.post ledger.read", 600)
    gate = Authenticator(app_db)
    caller = await gate.authenticate(f"Bearer {narrow.token.text}", now=NOW)
    assert (caller.kind, caller.subject, set(caller.permissions), list(caller.branches or ())) == (
        "client", client_id(client.key.id), {"ledger.read"}, [branch.id],
    )  # fmt: skip
    assert (await gate.authenticate(f"Bearer {whole.token.text}", now=NOW)).permissions == {
        "ledger.read", "ledger.post",
    }  # fmt: skip
    with refuses("access.credentials_expired"):
        await gate.authenticate(f"Bearer {narrow.token.text}", now=NOW + timedelta(minutes=10))
    assert narrow.token.text not in repr(narrow)
    published = json.dumps(await access.public_keys(app_db, now=NOW))
    assert '"d"' not in published
    assert '"ES256"' in published


async def test_revoking_the_client_ends_its_tokens(app_db: Database) -> None:
    org = await make_organisation(app_db)
    client = await org.key(kind="client")
    issued = await token(app_db, client)
    gate = Authenticator(app_db, keep_s=0)
    await gate.authenticate(f"Bearer {issued.token.text}", now=NOW)

    async with app_db.tx(org.id) as tx:
        await access.revoke_key(tx, client.key.id, version=1, caller=org.owner, now=NOW, meta=META)

    with refuses("access.credentials_unknown"):
        await gate.authenticate(f"Bearer {issued.token.text}", now=NOW)
    with refuses("access.invalid_client"):
        await token(app_db, client)


async def test_a_token_request_that_is_wrong(app_db: Database, owner_db: Database) -> None:
    org, other = await make_organisation(app_db), await make_organisation(app_db)
    client, key, foreign = await org.key(kind="client"), await org.key(), await other.key(kind="client")
    before = await state(owner_db)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("access.unsupported_grant_type", {"grant_type": "password"}),
        ("access.invalid_client", {"client_id": "nobody"}),
        ("access.invalid_client", {"client_id": client_id(foreign.key.id)}),
        ("access.invalid_client", {"client_secret": client.secret.text[:-1] + "!"}),
        ("access.invalid_client", {"client_secret": foreign.secret.text}),
        ("access.invalid_client", {"client_id": client_id(key.key.id), "client_secret": key.secret.text}),
        ("access.invalid_scope", {"scope": "ledger.post"}),
        ("access.invalid_scope", {"scope": "ledger.read everything"}),
    ]
    for code, changes in cases:
        with refuses(code):
            await token(app_db, client, **changes)
    assert await state(owner_db) == before


async def test_signing_keys_rotate_while_tokens_live(app_db: Database) -> None:
    org = await make_organisation(app_db)
    client = await org.key(kind="client")
    old = await token(app_db, client)
    gate = Authenticator(app_db, keep_s=0)
    await gate.authenticate(f"Bearer {old.token.text}", now=NOW)

    later = NOW + timedelta(minutes=1)
    assert await access.rotate_signing_key(app_db, the_vault(), now=later)
    new = await token(app_db, client, now=later)

    kids = {key["kid"] for key in (await access.public_keys(app_db, now=later))["keys"]}
    assert len(kids) >= 2
    for gate in (Authenticator(app_db), Authenticator(app_db)):
        for issued in (old, new):
            assert (await gate.authenticate(f"Bearer {issued.token.text}", now=later)).tenant_id == org.id
    assert not await access.rotate_signing_key(app_db, the_vault(), now=later, only_if_none=True)
    gone = {key["kid"] for key in (await access.public_keys(app_db, now=NOW + timedelta(days=60)))["keys"]}
    assert not gone & kids


async def test_private_keys_lie_sealed_and_follow_the_master_key(
    app_db: Database, worker_db: Database, owner_db: Database, tmp_path: Path
) -> None:
    client = await (await make_organisation(app_db)).key(kind="client")
    vault, other = the_vault(), Vault(FileKeys.create(tmp_path))
    issued = await token(app_db, client)
    async with owner_db.tx() as tx:
        cursor = await tx.connection.execute("SELECT private_sealed FROM signing_key ORDER BY created_at")
        before = [bytes(row[0]) for row in await cursor.fetchall()]
    assert before
    assert not any(b'"d"' in sealed for sealed in before)
    with refuses("secrets.key_missing"):
        await access.issue_token(
            app_db, other, grant_type="client_credentials", client_id=client_id(client.key.id),
            client_secret=client.secret.text, now=NOW,
        )  # fmt: skip
    await vault.keys.add_key()
    done = await access.reseal_signing_keys(worker_db, vault)
    assert (done.changed, done.current, done.failed) == (len(before), 0, [])
    again = await access.reseal_signing_keys(worker_db, vault)
    assert (again.changed, again.current) == (0, len(before))
    lost = await access.reseal_signing_keys(worker_db, other)
    assert (lost.changed, len(lost.failed)) == (0, len(before))
    for text in (issued.token.text, (await token(app_db, client)).token.text):
        await Authenticator(app_db).authenticate(f"Bearer {text}", now=NOW)


@pytest.mark.parametrize("attack", ["other key", "hmac", "none", "issuer", "audience", "type", "organisation", "crit"])
async def test_a_forged_token_of_ours(app_db: Database, attack: str) -> None:
    org, other = await make_organisation(app_db), await make_organisation(app_db)
    client = await org.key(kind="client")
    await token(app_db, client)
    public = (await access.public_keys(app_db, now=NOW))["keys"][-1]
    async with app_db.tx() as tx:
        cursor = await tx.connection.execute("SELECT kid, private_sealed FROM signing_key_current(%s)", [NOW])
        kid, sealed = await cursor.fetchone() or ("", b"")
    private: dict[str, Any] = json.loads(await the_vault().open(Binding(None, "signing_key", kid), sealed))
    key: Any = ECKey.import_key(private)
    header: dict[str, Any] = {"alg": "ES256", "kid": private["kid"], "typ": "at+jwt"}
    claims = {
        "iss": "https://omniroute.local", "aud": "omniroute", "sub": client_id(client.key.id),
        "org": show("org", org.id), "scope": "ledger.read", "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 60,
    }  # fmt: skip
    text = base64.urlsafe_b64encode(json.dumps(public).encode()).decode().rstrip("=")
    secret = OctKey.import_key({"kty": "oct", "k": text})
    gate = Authenticator(app_db)
    genuine = jwt.encode(header, claims, key)
    assert (await gate.authenticate(f"Bearer {genuine}", now=NOW)).tenant_id == org.id

    match attack:
        case "other key":
            key = ECKey.generate_key("P-256")
        case "hmac":
            header["alg"], key = "HS256", secret
        case "none":
            header["alg"] = "none"
        case "issuer":
            claims["iss"] = "https://omniroute.local/"
        case "audience":
            claims["aud"] = "another"
        case "type":
            header["typ"] = "JWT"
        case "organisation":
            claims["org"] = show("org", other.id)
        case "crit":
            header["crit"] = ["exp"]
    if attack in {"crit", "none"}:
        part = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
        forged = ".".join([part, genuine.split(".")[1], genuine.split(".")[2] if attack == "crit" else ""])
    else:
        forged = jwt.encode(header, claims, key, algorithms=["ES256", "HS256"])

    with refuses("access.credentials_unknown"):
        await gate.authenticate(f"Bearer {forged}", now=NOW)
