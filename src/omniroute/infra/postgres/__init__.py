"""PostgreSQL: the pool and its transactions, named SQL, migrations, and an embedded server to try things on."""

from omniroute.infra.postgres.binaries import BinariesMissing, FolderUnreachable, ServerFailed
from omniroute.infra.postgres.database import (
    Connection,
    Database,
    DatabaseUnavailable,
    LockTimeout,
    PoolLimits,
    ServerTooOld,
    StatementTimeout,
    Tx,
    WriteConflict,
)
from omniroute.infra.postgres.migrate import (
    Migration,
    MigrationFailed,
    MigrationRefused,
    MigrationUnreachable,
    Status,
    migrate,
    status,
)
from omniroute.infra.postgres.server import (
    AlreadyRunning,
    EmbeddedPostgres,
    FolderDamaged,
    VersionMismatch,
    default_folder,
)
from omniroute.infra.postgres.sql import Queries, Query, load

__all__ = [
    "AlreadyRunning",
    "BinariesMissing",
    "Connection",
    "Database",
    "DatabaseUnavailable",
    "EmbeddedPostgres",
    "FolderDamaged",
    "FolderUnreachable",
    "LockTimeout",
    "Migration",
    "MigrationFailed",
    "MigrationRefused",
    "MigrationUnreachable",
    "PoolLimits",
    "Queries",
    "Query",
    "ServerFailed",
    "ServerTooOld",
    "StatementTimeout",
    "Status",
    "Tx",
    "VersionMismatch",
    "WriteConflict",
    "default_folder",
    "load",
    "migrate",
    "status",
]
