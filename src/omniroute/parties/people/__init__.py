"""People: accounts, memberships, invitations and logins.

    invitation   pending -> accepted | revoked ; pending and too old: expired
    membership   active <-> suspended ; -> removed (and back by a new invitation)

A person is one row for all organisations; each organisation sees only its own members. What members may do is in
`access`.
"""

from omniroute.parties.people.errors import LoginFailed, LoginThrottled, MalformedPerson, MemberNotFound, NotSignedIn
from omniroute.parties.people.invitations import (
    accept_invitation,
    get_invitation,
    invite,
    list_invitations,
    open_organisation,
    revoke_invitation,
)
from omniroute.parties.people.login import change_password, login, purge_login_attempts
from omniroute.parties.people.model import (
    AcceptInvitation,
    Invitation,
    IssuedInvitation,
    LoggedIn,
    Login,
    Member,
    OpenedOrganisation,
)
from omniroute.parties.people.passwords import Passwords
from omniroute.parties.people.service import get_member, list_members, set_member_status
from omniroute.parties.people.store import INVITATIONS, MEMBERS

__all__ = [
    "INVITATIONS",
    "MEMBERS",
    "AcceptInvitation",
    "Invitation",
    "IssuedInvitation",
    "LoggedIn",
    "Login",
    "LoginFailed",
    "LoginThrottled",
    "MalformedPerson",
    "Member",
    "MemberNotFound",
    "NotSignedIn",
    "OpenedOrganisation",
    "Passwords",
    "accept_invitation",
    "change_password",
    "get_invitation",
    "get_member",
    "invite",
    "list_invitations",
    "list_members",
    "login",
    "open_organisation",
    "purge_login_attempts",
    "revoke_invitation",
    "set_member_status",
]
