"""Refusals of access. The four of the front gate say what to do, and nothing on whether a secret exists."""

from omniroute.kit.refusal import Kind, Refusal


class Unauthenticated(Refusal, abstract=True):
    """The caller is not known; every refusal of the front gate is one of these."""

    kind = Kind.UNAUTHENTICATED


class CredentialsMissing(Unauthenticated):
    """The request carries no credentials; send `Authorization: Bearer ...` with an API key or a token."""

    code = "access.credentials_missing"
    kind = Kind.UNAUTHENTICATED


class CredentialsMalformed(Unauthenticated):
    """The Authorization header is not of a form we read; send `Bearer`, one space, and the key or token."""

    code = "access.credentials_malformed"
    kind = Kind.UNAUTHENTICATED


class CredentialsUnknown(Unauthenticated):
    """The key or token is unknown, revoked or not valid here; check that it was copied whole, or ask for a new one."""

    code = "access.credentials_unknown"
    kind = Kind.UNAUTHENTICATED


class CredentialsExpired(Unauthenticated):
    """The key or token has expired; ask for a new one."""

    code = "access.credentials_expired"
    kind = Kind.UNAUTHENTICATED


class OrganisationInactive(Refusal):
    """The organisation is suspended or closed; its owner must have it opened again."""

    code = "access.organisation_inactive"
    kind = Kind.FORBIDDEN


class PermissionMissing(Refusal):
    """The caller may not do this; ask an owner of the organisation for a role that holds the permission."""

    code = "access.permission_missing"
    kind = Kind.FORBIDDEN


class GrantExceedsOwn(Refusal):
    """Nobody can give more than they hold, in more branches than they hold it."""

    code = "access.grant_exceeds_own"
    kind = Kind.FORBIDDEN


class UnknownPermission(Refusal):
    """A permission name is not one of ours; the list of names is in the documentation of access."""

    code = "access.unknown_permission"
    kind = Kind.INVALID


class MalformedAccess(Refusal):
    """A field of the role, key, client or provider is malformed; `field` and `expected` say which and what."""

    code = "access.malformed"
    kind = Kind.INVALID


class RoleNotFound(Refusal):
    """There is no such role in this organisation."""

    code = "access.role_not_found"
    kind = Kind.NOT_FOUND


class RoleNameTaken(Refusal):
    """A role of this name exists already."""

    code = "access.role_name_taken"
    kind = Kind.CONFLICT


class RoleBuiltIn(Refusal):
    """Built-in roles cannot be changed; make a role of your own."""

    code = "access.role_built_in"
    kind = Kind.REFUSED


class GrantNotFound(Refusal):
    """There is no such grant in this organisation."""

    code = "access.grant_not_found"
    kind = Kind.NOT_FOUND


class GrantExists(Refusal):
    """The holder has this role there already."""

    code = "access.grant_exists"
    kind = Kind.CONFLICT


class HolderNotFound(Refusal):
    """The person, key, branch or application named does not exist in this organisation."""

    code = "access.holder_not_found"
    kind = Kind.NOT_FOUND


class LastOwner(Refusal):
    """An organisation keeps at least one active owner; give the role to somebody else first."""

    code = "access.last_owner"
    kind = Kind.REFUSED


class KeyNotFound(Refusal):
    """There is no such key or client in this organisation."""

    code = "access.key_not_found"
    kind = Kind.NOT_FOUND


class KeyRevoked(Refusal):
    """The key is revoked, which is final; make a new one."""

    code = "access.key_revoked"
    kind = Kind.REFUSED


class StaleVersion(Refusal):
    """The thing changed since it was read; read it again and repeat the change on the new version."""

    code = "access.stale_version"
    kind = Kind.PRECONDITION_FAILED


class ClientUnknown(Refusal):
    """The client id or secret is wrong, or the client is revoked."""

    code = "access.invalid_client"
    kind = Kind.UNAUTHENTICATED


class ScopeExceedsClient(Refusal):
    """The scope asked for is more than the client holds, or names no permission."""

    code = "access.invalid_scope"
    kind = Kind.INVALID


class GrantTypeUnsupported(Refusal):
    """Only grant_type=client_credentials is answered here."""

    code = "access.unsupported_grant_type"
    kind = Kind.INVALID


class ProviderNotFound(Refusal):
    """There is no such identity provider in this organisation."""

    code = "access.provider_not_found"
    kind = Kind.NOT_FOUND


class ProviderExists(Refusal):
    """The issuer and audience are configured already in this organisation."""

    code = "access.provider_exists"
    kind = Kind.CONFLICT


class ProviderUnreachable(Refusal):
    """The identity provider's keys cannot be fetched now, so its tokens cannot be checked; try again shortly."""

    code = "access.provider_unreachable"
    kind = Kind.BUSY
