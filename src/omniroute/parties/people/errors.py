"""Refusals of people."""

from omniroute.kit.refusal import Kind, Refusal


class MalformedPerson(Refusal):
    """A field of the person, invitation or login is malformed; `field` and `expected` say which and what."""

    code = "people.malformed"
    kind = Kind.INVALID


class PasswordWeak(Refusal):
    """The password is too short, too long, or contains the email; choose 12 to 256 characters."""

    code = "people.password_weak"
    kind = Kind.INVALID


class LoginFailed(Refusal):
    """The email or the password is wrong, or the account has no access."""

    code = "people.login_failed"
    kind = Kind.UNAUTHENTICATED


class LoginThrottled(Refusal):
    """Too many attempts; wait `retry_after_s` seconds before the next one."""

    code = "people.login_throttled"
    kind = Kind.THROTTLED


class ChooseOrganisation(Refusal):
    """The person belongs to several organisations; log in again and name one of them."""

    code = "people.choose_organisation"
    kind = Kind.CONFLICT


class PasswordsBusy(Refusal):
    """Too many passwords are being checked at once; try again in a moment."""

    code = "people.passwords_busy"
    kind = Kind.BUSY


class NotSignedIn(Refusal):
    """Only a person who logged in with a password can change it; keys and outside identities have none here."""

    code = "people.not_signed_in"
    kind = Kind.FORBIDDEN


class InvitationUnknown(Refusal):
    """The invitation is unknown, was used, or was revoked; ask for a new one."""

    code = "people.invitation_unknown"
    kind = Kind.NOT_FOUND


class InvitationExpired(Refusal):
    """The invitation is too old; ask for a new one."""

    code = "people.invitation_expired"
    kind = Kind.REFUSED


class InvitationNotPending(Refusal):
    """The invitation was accepted or revoked already."""

    code = "people.invitation_not_pending"
    kind = Kind.REFUSED


class InvitationExists(Refusal):
    """This email has a pending invitation; revoke it first to send another."""

    code = "people.invitation_exists"
    kind = Kind.CONFLICT


class AlreadyMember(Refusal):
    """The person is a member of the organisation already; grant the role instead."""

    code = "people.already_member"
    kind = Kind.CONFLICT


class EmailTaken(Refusal):
    """An account with this email was made a moment ago; repeat the request with its password."""

    code = "people.email_taken"
    kind = Kind.CONFLICT


class MemberNotFound(Refusal):
    """There is no such person in this organisation."""

    code = "people.member_not_found"
    kind = Kind.NOT_FOUND


class MemberVersionStale(Refusal):
    """The membership or invitation changed since it was read; read it again and repeat the change."""

    code = "people.stale_version"
    kind = Kind.PRECONDITION_FAILED
