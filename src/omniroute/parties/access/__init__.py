"""Access: who is asking, and what they may do.

    Authorization header -> authenticate -> Caller -> caller.require(Permission.X) -> a transaction of its branches

    key       active -> (rotated: old and new secrets overlap) -> revoked
    session   open -> expired | revoked
    role      built-in (fixed) or the organisation's own; held by people and keys, everywhere or in a branch and below

Permissions are code (`Permission`), roles are data. Nobody gives more than they hold. Secrets are shown once and kept
as SHA-256; passwords are not here but in `people`.
"""

from omniroute.parties.access.authentication import Authenticator, authenticate, forget
from omniroute.parties.access.bearer import mint as mint_secret
from omniroute.parties.access.bearer import read as read_secret
from omniroute.parties.access.errors import (
    CredentialsExpired,
    CredentialsMalformed,
    CredentialsMissing,
    CredentialsUnknown,
    GrantExceedsOwn,
    HolderNotFound,
    LastOwner,
    OrganisationInactive,
    PermissionMissing,
    RoleNotFound,
    StaleVersion,
    Unauthenticated,
)
from omniroute.parties.access.keys import (
    CreateKey,
    client_id,
    create_key,
    create_platform_key,
    get_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from omniroute.parties.access.model import (
    PLATFORM_PERMISSIONS,
    AccessToken,
    Caller,
    Grant,
    IssuedKey,
    IssuedSession,
    Key,
    Permission,
    Provider,
    Role,
    Scope,
    Secret,
    Session,
)
from omniroute.parties.access.providers import (
    ProviderConfig,
    create_provider,
    get_provider,
    list_providers,
    update_provider,
)
from omniroute.parties.access.roles import (
    check_may_give_roles,
    check_owner_remains,
    create_role,
    find_role,
    get_role,
    grant_role,
    grants_of,
    install_roles,
    list_grants,
    list_roles,
    record_grant,
    update_role,
    withdraw_role,
)
from omniroute.parties.access.rules import BUILT_IN, OWNER, check_may_give
from omniroute.parties.access.sessions import list_sessions, open_session, revoke_sessions
from omniroute.parties.access.store import GRANTS, KEYS, PROVIDERS, ROLES
from omniroute.parties.access.tokens import (
    ISSUER_DEFAULT,
    issue_token,
    public_keys,
    reseal_signing_keys,
    rotate_signing_key,
)

__all__ = [
    "BUILT_IN",
    "GRANTS",
    "ISSUER_DEFAULT",
    "KEYS",
    "OWNER",
    "PLATFORM_PERMISSIONS",
    "PROVIDERS",
    "ROLES",
    "AccessToken",
    "Authenticator",
    "Caller",
    "CreateKey",
    "CredentialsExpired",
    "CredentialsMalformed",
    "CredentialsMissing",
    "CredentialsUnknown",
    "Grant",
    "GrantExceedsOwn",
    "HolderNotFound",
    "IssuedKey",
    "IssuedSession",
    "Key",
    "LastOwner",
    "OrganisationInactive",
    "Permission",
    "PermissionMissing",
    "Provider",
    "ProviderConfig",
    "Role",
    "RoleNotFound",
    "Scope",
    "Secret",
    "Session",
    "StaleVersion",
    "Unauthenticated",
    "authenticate",
    "check_may_give",
    "check_may_give_roles",
    "check_owner_remains",
    "client_id",
    "create_key",
    "create_platform_key",
    "create_provider",
    "create_role",
    "find_role",
    "forget",
    "get_key",
    "get_provider",
    "get_role",
    "grant_role",
    "grants_of",
    "install_roles",
    "issue_token",
    "list_grants",
    "list_keys",
    "list_providers",
    "list_roles",
    "list_sessions",
    "mint_secret",
    "open_session",
    "public_keys",
    "read_secret",
    "record_grant",
    "reseal_signing_keys",
    "revoke_key",
    "revoke_sessions",
    "rotate_key",
    "rotate_signing_key",
    "update_provider",
    "update_role",
    "withdraw_role",
]
