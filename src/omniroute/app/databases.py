"""What commands open that need no more than a database, or the master keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from omniroute.app.settings import Settings
from omniroute.infra.postgres import Database, PoolLimits
from omniroute.infra.secrets import Vault, open_keys


def open_vault(settings: Settings, *, create: bool = False) -> Vault:
    """What seals stored secrets. `create`: make the folder of keys and a first key if there is none.

    Raises: BadKeys, KeysUnavailable.
    """
    keys = open_keys(
        settings.secrets_provider,
        folder=settings.secrets_folder,
        create=create,
        module=settings.secrets_pkcs11_module,
        token=settings.secrets_pkcs11_token,
        slot=settings.secrets_pkcs11_slot,
        label=settings.secrets_pkcs11_label,
        pin=settings.secrets_pkcs11_pin,
        pin_file=settings.secrets_pkcs11_pin_file,
    )
    return Vault(keys)


def pool_limits(settings: Settings) -> PoolLimits:
    """The limits of one pool."""
    return PoolLimits(
        size_max=settings.database_pool_size_max,
        statement_timeout_ms=settings.database_statement_timeout_ms,
        lock_timeout_ms=settings.database_lock_timeout_ms,
        idle_in_transaction_timeout_ms=settings.database_idle_timeout_ms,
        acquire_timeout_s=settings.database_acquire_timeout_s,
    )


@asynccontextmanager
async def app_database(settings: Settings) -> AsyncIterator[Database]:
    """The doors' pool alone, for commands that act for one organisation."""
    db = await Database.open(
        settings.database_url, role="omniroute_app", limits=pool_limits(settings), application_name="omniroute-cli"
    )
    try:
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def worker_database(settings: Settings) -> AsyncIterator[Database]:
    """The background role's pool alone, for checks and background work."""
    url = settings.database_worker_url or settings.database_url
    db = await Database.open(
        url, role="omniroute_worker", limits=pool_limits(settings), application_name="omniroute-worker"
    )
    try:
        yield db
    finally:
        await db.close()
