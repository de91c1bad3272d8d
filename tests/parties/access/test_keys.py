"""Keys: shown once, rotated with overlap, revoked for ever, and let in by the front gate."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from omniroute.infra.postgres import Database
from omniroute.kit.ids import show, uuid7
from omniroute.parties import access, tenants
from omniroute.parties.access import Authenticator, Caller, IssuedKey, Permission
from tests.parties.makers import META, NOW, Org, make_caller, make_organisation, refuses, state, topics


async def let_in(db: Database, issued: IssuedKey, *, now: datetime = NOW) -> Caller:
    """The caller a gate with an empty cache makes of a key."""
    return await Authenticator(db).authenticate(f"Bearer {issued.secret.text}", now=now)


async def rotate(
    org: Org, issued: IssuedKey, *, version: int = 1, hours: int = 24, caller: Caller | None = None
) -> IssuedKey:
    """A new secret, the old one valid for some hours."""
    async with org.db.tx(org.id) as tx:
        return await access.rotate_key(
            tx, issued.key.id, version=version, overlap=timedelta(hours=hours), caller=caller or org.owner,
            now=NOW, meta=META,
        )  # fmt: skip


async def revoke(org: Org, issued: IssuedKey, *, version: int = 1, caller: Caller | None = None) -> None:
    """End a key."""
    async with org.db.tx(org.id) as tx:
        await access.revoke_key(tx, issued.key.id, version=version, caller=caller or org.owner, now=NOW, meta=META)


async def test_a_key_lets_in_with_what_it_was_given(app_db: Database) -> None:
    org = await make_organisation(app_db)
    branch = await org.branch("north")
    async with app_db.tx(org.id) as tx:
        application = await tenants.create_application(
            tx, code="erp", name="ERP", kind="erp", caller=org.owner, now=NOW, meta=META
        )
    issued = await org.key(
        Permission.LEDGER_READ, branch_ids=[branch.id], application_id=application.id, mode="test",
        expires_at=NOW + timedelta(days=1),
    )  # fmt: skip

    caller = await let_in(app_db, issued)

    assert caller == replace(
        make_caller(org.id, ["ledger.read"]),
        subject=show("key", issued.key.id),
        subject_id=issued.key.id,
        kind="api_key",
        branches=(branch.id,),
        application_id=application.id,
        expires_at=NOW + timedelta(days=1),
        organisation_slug=org.slug,
        mode="test",
    )
    assert caller.is_of(org.slug)
    assert caller.is_of(show("org", org.id))
    assert not caller.is_of("another")
    with refuses("access.credentials_expired"):
        await let_in(app_db, issued, now=NOW + timedelta(days=1))
    async with app_db.tx(org.id) as tx:
        await tenants.update_application(
            tx, application.id, version=1, name="ERP", status="suspended", now=NOW, meta=META
        )
    with refuses("access.credentials_unknown"):
        await let_in(app_db, issued)


async def test_a_secret_is_shown_once(app_db: Database, owner_db: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    org = await make_organisation(app_db)
    issued = await org.key()
    await let_in(app_db, issued)
    rotated = await rotate(org, issued)
    form, mode, lookup, secret = issued.secret.text.split("_")

    assert (form, mode, len(lookup)) == ("sk", "live", 12)
    assert len(secret) >= 32
    async with app_db.tx(org.id) as tx:
        listed = await access.list_keys(tx)
    shown = [repr(issued), str(issued.secret), f"{issued}", repr(listed), repr(rotated), caplog.text]
    shown += [row for rows in (await state(owner_db)).values() for row in rows]
    assert all(secret not in text for text in shown)
    assert all(rotated.secret.text.rpartition("_")[2] not in text for text in shown)
    assert lookup in repr(listed)


async def test_rotation_overlaps(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    first = await org.key()
    second = await rotate(org, first, hours=24)

    assert second.key.id == first.key.id
    later = NOW + timedelta(hours=24)
    for issued in (first, second):
        assert (await let_in(app_db, issued, now=later - timedelta(seconds=1))).subject_id == first.key.id
    with refuses("access.credentials_expired"):
        await let_in(app_db, first, now=later)
    assert (await let_in(app_db, second, now=later)).subject_id == first.key.id

    third = await rotate(org, first, version=2, hours=0)
    for issued in (first, second):
        with refuses("access.credentials_expired"):
            await let_in(app_db, issued)
    assert (await let_in(app_db, third)).subject_id == first.key.id
    assert (await topics(owner_db, org.id))[1:] == ["key.created", "key.rotated", "key.rotated"]


async def test_a_revoked_key_is_out_for_ever(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    issued = await org.key()
    gate = Authenticator(app_db)
    header = f"Bearer {issued.secret.text}"
    await gate.authenticate(header, now=NOW)

    await revoke(org, issued)

    gate.forget()
    with refuses("access.credentials_unknown"):
        await gate.authenticate(header, now=NOW)
    before = await state(owner_db)
    with refuses("access.key_revoked"):
        await rotate(org, issued, version=2)
    with refuses("access.key_revoked"):
        await revoke(org, issued, version=2)
    assert await state(owner_db) == before


async def test_keys_that_cannot_be(app_db: Database, owner_db: Database) -> None:
    org, other = await make_organisation(app_db), await make_organisation(app_db)
    mine, theirs = await org.branch("mine"), await other.branch("theirs")
    issued, foreign = await org.key(), await other.key()
    poor = make_caller(org.id, {"keys.write"})
    narrow = make_caller(org.id, org.owner.permissions, branches=(mine.id,))
    before = await state(owner_db)
    cases: list[tuple[str, list[str], dict[str, Any]]] = [
        ("access.unknown_permission", ["ledger.fly"], {}),
        ("access.grant_exceeds_own", ["ledger.post"], {"caller": poor}),
        ("access.grant_exceeds_own", ["ledger.post"], {"caller": narrow}),
        ("access.grant_exceeds_own", ["platform.organisations.create"], {}),
        ("access.holder_not_found", ["ledger.post"], {"branch_ids": [theirs.id]}),
        ("access.holder_not_found", ["ledger.post"], {"application_id": uuid7()}),
        ("access.malformed", ["ledger.post"], {"branch_ids": []}),
        ("access.malformed", ["ledger.post"], {"name": ""}),
        ("access.malformed", ["ledger.post"], {"expires_at": NOW}),
    ]
    for code, permissions, wanted in cases:
        with refuses(code):
            await org.key(*(permissions), **wanted)  # type: ignore[arg-type]  # Names no Permission has, too.
    for verb in (rotate, revoke):
        with refuses("access.key_not_found"):
            await verb(org, foreign)
        with refuses("access.stale_version"):
            await verb(org, issued, version=5)
        with refuses("access.grant_exceeds_own"):
            await verb(org, issued, caller=poor)
    with refuses("access.malformed"):
        await rotate(org, issued, hours=24 * 31)
    assert await state(owner_db) == before


async def test_what_is_no_credential(app_db: Database) -> None:
    org = await make_organisation(app_db)
    issued = await org.key()
    client = await org.key(kind="client")
    text = issued.secret.text
    other = "a" if text[-1] != "a" else "b"
    gate = Authenticator(app_db)
    cases: dict[str, list[str | None]] = {
        "access.credentials_missing": [None, ""],
        "access.credentials_malformed": [
            "Bearer", "Bearer ", f"Basic {text}", text, f"Bearer  {text}", f"Bearer {text} ", f"Bearer {text}\n",
            "Bearer sk_live_x", "Bearer ü", "Bearer \ud800", "Bearer a.b.c", "Bearer " + "x" * 9000, f"Bearer {text}!",
        ],
        "access.credentials_unknown": [
            f"Bearer {text[:-1]}{other}", f"Bearer {text.replace('live', 'test')}",
            f"Bearer sk_live_{'x' * 12}_{'y' * 40}", f"Bearer ses_{text[8:]}", f"Bearer inv_{text[8:]}",
            f"Bearer {client.secret.text}", f"Bearer sk_live_{client.secret.text[3:]}",
        ],
    }  # fmt: skip
    for code, headers in cases.items():
        for header in headers:
            for _ in range(2):  # From the cache as well.
                with refuses(code):
                    await gate.authenticate(header, now=NOW)
    assert (await gate.authenticate(f"bearer {text}", now=NOW)).tenant_id == org.id


class CountingDatabase(Database):
    """A database that counts its transactions."""

    count = 0

    @asynccontextmanager
    async def tx(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """As Database.tx, counted."""
        self.count += 1
        async with super().tx(*args, **kwargs) as tx:
            yield tx


async def test_the_hot_path_asks_the_database_once(app_db: Database) -> None:
    org = await make_organisation(app_db)
    issued = await org.key()
    counting = CountingDatabase(app_db.pool, app_db.limits)
    gate = Authenticator(counting)
    header = f"Bearer {issued.secret.text}"

    callers = await asyncio.gather(*(gate.authenticate(header, now=NOW) for _ in range(50)))
    callers += [await gate.authenticate(header, now=NOW) for _ in range(50)]

    assert len(set(map(id, callers))) == 1
    assert counting.count == 1
    for _ in range(20):
        with refuses("access.credentials_unknown"):
            await gate.authenticate(f"Bearer sk_live_{'x' * 12}_{'y' * 40}", now=NOW)
    assert counting.count == 2


async def test_a_request_that_hangs_up_leaves_the_others_their_answer(app_db: Database) -> None:
    org = await make_organisation(app_db)
    issued = await org.key()
    gate = Authenticator(app_db)
    first, second = [
        asyncio.ensure_future(gate.authenticate(f"Bearer {issued.secret.text}", now=NOW)) for _ in range(2)
    ]
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).tenant_id == org.id


async def test_the_cache_is_bounded_and_forgets_an_expired_caller(app_db: Database) -> None:
    org = await make_organisation(app_db)
    gate = Authenticator(app_db, entries_max=3)
    for n in range(10):
        with refuses("access.credentials_unknown"):
            await gate.authenticate(f"Bearer sk_live_{n:012}_{'y' * 40}", now=NOW)
    assert len(gate._entries) == 3
    issued = await org.key(expires_at=NOW + timedelta(seconds=2))
    header = f"Bearer {issued.secret.text}"
    await gate.authenticate(header, now=NOW)
    with refuses("access.credentials_expired"):
        await gate.authenticate(header, now=NOW + timedelta(seconds=2))


async def test_use_is_remembered_once_a_minute(app_db: Database) -> None:
    org = await make_organisation(app_db)
    issued = await org.key()
    seen = []
    for seconds in (0, 30, 90):
        await let_in(app_db, issued, now=NOW + timedelta(seconds=seconds))
        async with app_db.tx(org.id) as tx:
            key = await access.get_key(tx, issued.key.id)
        seen.append(key.last_used_at)
    assert seen == [NOW, NOW, NOW + timedelta(seconds=90)]
    assert key.version == 1


async def test_pages_of_keys(app_db: Database) -> None:
    org = await make_organisation(app_db)
    made = [(await org.key()).key.id for _ in range(3)]
    async with app_db.tx(org.id) as tx:
        first = await access.list_keys(tx, limit=2)
        second = await access.list_keys(tx, limit=2, cursor=first.next_cursor)
        with refuses("kit.malformed_cursor"):
            await access.list_keys(tx, cursor="InNvbWUi")
    assert [key.id for key in (*first.items, *second.items)] == made
    assert second.next_cursor is None
