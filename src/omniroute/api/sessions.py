"""Sessions over HTTP: log in, log out, change one's password."""

from typing import Annotated

from msgspec import Meta

from omniroute.api.call import Call
from omniroute.api.operations import Access, operation
from omniroute.api.shapes import Email, In, Instant, Out, Password
from omniroute.kit import ids
from omniroute.parties import access, people

_SESSION = "/v1/{tenant}/session"


class LoginIn(In):
    """Email and password; the organisation's slug for members of several."""

    email: Email
    password: Password
    organisation: Annotated[str, Meta(min_length=1, max_length=63)] | None = None


class ChangePasswordIn(In):
    """The present password proves that it is you; the new one has 12 to 256 characters."""

    password: Password
    new_password: Password


class SessionOut(Out):
    """A session and its bearer token, which is shown now and never again."""

    user_id: str
    organisation: str
    token: str
    expires_at: Instant


class SignedOutOut(Out):
    """How many sessions ended."""

    sessions_ended: int


PASSWORD_REFUSALS = (
    "people.malformed", "people.login_failed", "people.login_throttled", "people.passwords_busy", "api.unavailable",
)  # fmt: skip


@operation(
    "POST", "/v1/sessions", tag="People", status=201, access=Access.OPEN, transaction=False, body=LoginIn,
    reply=SessionOut, refusals=(*PASSWORD_REFUSALS, "people.choose_organisation"),
    example={"email": "amina@kano-foods.example", "password": "correct horse battery staple"},
)  # fmt: skip
async def log_in(call: Call, body: LoginIn) -> SessionOut:
    """Log in with email and password."""
    command = people.Login(body.email, body.password, call.address, body.organisation)
    found = await people.login(call.services.db, command, now=call.now, meta=call.meta)
    return SessionOut(
        user_id=ids.show("usr", found.user_id),
        organisation=found.organisation_slug,
        token=found.session.token.text,
        expires_at=found.session.expires_at,
    )


@operation("DELETE", _SESSION, tag="People", transaction=False, reply=SignedOutOut)
async def sign_out(call: Call) -> SignedOutOut:
    """End the session that calls.

    With an API key nothing ends.
    """
    caller = call.caller
    if caller.session_id is None:
        return SignedOutOut(sessions_ended=0)
    async with call.services.db.tx(call.tenant_id) as tx:
        ended = await access.revoke_sessions(
            tx, caller.subject_id, session_id=caller.session_id, now=call.now, meta=call.meta
        )
    call.services.authenticator.forget()
    return SignedOutOut(sessions_ended=ended)


@operation(
    "PUT", _SESSION + "/password", tag="People", transaction=False, body=ChangePasswordIn, reply=SignedOutOut,
    refusals=(*PASSWORD_REFUSALS, "people.password_weak", "people.not_signed_in"),
    example={"password": "correct horse battery staple", "new_password": "a longer staple than the battery"},
)  # fmt: skip
async def change_password(call: Call, body: ChangePasswordIn) -> SignedOutOut:
    """Change your password.

    For people who logged in with one. All your other sessions end at once, in every organisation; this one stays.
    """
    caller = call.caller
    if caller.session_id is None:
        raise people.NotSignedIn()
    async with call.services.db.tx(call.tenant_id, readonly=True) as tx:
        member = await people.get_member(tx, caller.subject_id)
    ended = await people.change_password(
        call.services.db,
        email=member.email,
        password=body.password,
        new_password=body.new_password,
        source=call.address,
        keep_session=caller.session_id,
        now=call.now,
        meta=call.meta,
    )
    call.services.authenticator.forget()
    return SignedOutOut(sessions_ended=ended)
