"""Logging in: throttled before it is checked, the same for known and unknown, and revocable."""

import asyncio
from datetime import timedelta

import pytest

from omniroute.infra.postgres import Database
from omniroute.parties import access, people
from omniroute.parties.access import Authenticator
from omniroute.parties.people import LoggedIn, Login, LoginThrottled, Passwords
from tests.parties.makers import META, NOW, PASSWORD, QUICK, make_organisation, refuses, state, topics


async def login(
    db: Database, email: str, password: str = PASSWORD, *, source: str = "192.0.2.1", seconds: int = 0,
    organisation: str | None = None, passwords: Passwords = QUICK,
) -> LoggedIn:  # fmt: skip
    """Log in, some seconds later."""
    command = Login(email, password, source, organisation)
    return await people.login(db, command, passwords=passwords, now=NOW + timedelta(seconds=seconds), meta=META)


async def test_a_login_gives_a_session_that_ends(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db, settings={"session_ttl_minutes": 30})
    member = await org.member("one@acme.example", "auditor")

    logged_in = await login(app_db, " One@Acme.example ")

    assert (logged_in.user_id, logged_in.organisation_slug) == (member.id, org.slug)
    header = f"Bearer {logged_in.session.token.text}"
    gate = Authenticator(app_db)
    caller = await gate.authenticate(header, now=NOW)
    assert (caller.kind, caller.subject_id, caller.session_id) == ("user", member.id, logged_in.session.id)
    assert caller.permissions == access.BUILT_IN["auditor"][1]
    with refuses("access.credentials_expired"):
        await gate.authenticate(header, now=NOW + timedelta(minutes=30))

    async with app_db.tx(org.id) as tx:
        assert await access.revoke_sessions(tx, member.id, session_id=caller.session_id, now=NOW, meta=META) == 1
    gate.forget()
    with refuses("access.credentials_unknown"):
        await gate.authenticate(header, now=NOW)
    assert (await topics(owner_db, org.id))[-2:] == ["session.opened", "session.revoked"]
    text = logged_in.session.token.text.rpartition("_")[2]
    assert text not in repr(logged_in)
    assert all(text not in row for rows in (await state(owner_db)).values() for row in rows)


async def test_failures_look_alike(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    await org.member("two@acme.example")
    before = await state(owner_db)

    with refuses("people.login_failed"):
        await login(app_db, "two@acme.example", "wrong password here", source="a")
    with refuses("people.login_failed"):
        await login(app_db, "nobody@acme.example", source="a")
    with refuses("people.login_failed"):
        await login(app_db, "two@acme.example", organisation="elsewhere", source="a")
    with refuses("people.login_failed"):
        await login(app_db, "\x00", "\ud800", source="a")

    assert await state(owner_db) == before


@pytest.mark.parametrize("email", ["known@acme.example", "unknown@acme.example"])
async def test_an_account_waits_longer_after_each_failure(app_db: Database, email: str) -> None:
    org = await make_organisation(app_db)
    if email.startswith("known"):
        await org.member(email)
    for attempt in range(5):
        with refuses("people.login_failed"):
            await login(app_db, email, "wrong password here", source=f"{email}-{attempt}")

    with pytest.raises(LoginThrottled) as refused:
        await login(app_db, email, source=f"{email}-x")
    assert refused.value.facts == {"retry_after_s": 1}

    with refuses("people.login_failed"):
        await login(app_db, email, "wrong password here", source=f"{email}-y", seconds=1)
    with pytest.raises(LoginThrottled) as refused:
        await login(app_db, email, source=f"{email}-x", seconds=1)
    assert refused.value.facts == {"retry_after_s": 2}

    if email.startswith("known"):
        assert (await login(app_db, email, source=f"{email}-z", seconds=3)).organisation_slug == org.slug
        with refuses("people.login_failed"):
            await login(app_db, email, "wrong password here", source=f"{email}-w", seconds=3)
        await login(app_db, email, source=f"{email}-v", seconds=3)


async def test_many_at_once_gain_nothing(app_db: Database) -> None:
    done = await asyncio.gather(
        *(login(app_db, "crowd@acme.example", f"guess number {n}", source=f"crowd-{n}") for n in range(30)),
        return_exceptions=True,
    )
    assert sorted({type(answer).__name__ for answer in done}) == ["LoginFailed", "LoginThrottled"]
    assert sum(type(answer).__name__ == "LoginFailed" for answer in done) == 5


async def test_a_source_that_tries_many_accounts_waits_too(app_db: Database) -> None:
    for attempt in range(20):
        with refuses("people.login_failed"):
            await login(app_db, f"spray-{attempt}@acme.example", source="203.0.113.9")
    with refuses("people.login_throttled"):
        await login(app_db, "spray-x@acme.example", source="203.0.113.9")


async def test_a_member_of_two_says_which(app_db: Database) -> None:
    one, two = await make_organisation(app_db), await make_organisation(app_db)
    await one.member("both@acme.example")
    await two.member("both@acme.example")

    with refuses("people.choose_organisation"):
        await login(app_db, "both@acme.example")

    assert (await login(app_db, "both@acme.example", organisation=two.slug)).session.tenant_id == two.id


async def test_a_hash_of_older_parameters_is_renewed(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    await org.member("old@acme.example")
    newer = Passwords(time_cost=2, memory_cost_kib=8, parallelism=1)

    await login(app_db, "old@acme.example", passwords=newer)

    async with owner_db.connection() as connection:
        cursor = await connection.execute("SELECT password_hash FROM person WHERE email = 'old@acme.example'")
        (stored,) = await cursor.fetchone() or ("",)
    assert stored.startswith("$argon2id$v=19$m=8,t=2,p=1$")
    assert (await login(app_db, "old@acme.example", passwords=newer)).organisation_slug == org.slug


async def test_a_new_password_ends_every_session(app_db: Database, owner_db: Database) -> None:
    org = await make_organisation(app_db)
    await org.member("change@acme.example")
    session = (await login(app_db, "change@acme.example")).session
    before = await state(owner_db)
    with refuses("people.password_weak"):
        await people.change_password(
            app_db, email="change@acme.example", password=PASSWORD, new_password="short", source="s",
            passwords=QUICK, now=NOW, meta=META,
        )  # fmt: skip
    assert await state(owner_db) == before

    await people.change_password(
        app_db, email="change@acme.example", password=PASSWORD, new_password="another long password", source="s",
        passwords=QUICK, now=NOW, meta=META,
    )  # fmt: skip

    with refuses("access.credentials_unknown"):
        await Authenticator(app_db).authenticate(f"Bearer {session.token.text}", now=NOW)
    with refuses("people.login_failed"):
        await login(app_db, "change@acme.example")
    assert (await login(app_db, "change@acme.example", "another long password")).organisation_slug == org.slug


async def test_logins_at_once_from_one_source_do_not_block_each_other(app_db: Database) -> None:
    org = await make_organisation(app_db)
    for n in range(4):
        await org.member(f"desk-{n}@acme.example")
    done = await asyncio.gather(*(login(app_db, f"desk-{n % 4}@acme.example", source="desk") for n in range(12)))
    assert {answer.organisation_slug for answer in done} == {org.slug}


async def test_hashing_is_bounded() -> None:
    passwords = Passwords(time_cost=1, memory_cost_kib=8, parallelism=1)
    done = await asyncio.gather(*(passwords.hash("a long password") for _ in range(100)), return_exceptions=True)
    assert sum(isinstance(answer, str) for answer in done) == 34
    assert {type(answer).__name__ for answer in done} == {"str", "PasswordsBusy"}
    assert await passwords.matches("a long password", next(a for a in done if isinstance(a, str)))


async def test_old_attempts_are_forgotten(app_db: Database, worker_db: Database) -> None:
    with refuses("people.login_failed"):
        await login(app_db, "gone@acme.example", source="gone")
    assert await people.purge_login_attempts(worker_db, now=NOW) == 0
    assert await people.purge_login_attempts(worker_db, now=NOW + timedelta(days=3)) > 0
