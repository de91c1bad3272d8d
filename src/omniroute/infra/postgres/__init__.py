"""PostgreSQL: the pool and its transactions, named SQL, migrations, and an embedded server to try things on."""

from omniroute.infra.postgres.arrays import (
    BoolArray,
    CharArray,
    DateArray,
    Int4Array,
    Int8Array,
    JsonbArray,
    TextArray,
    TimestampArray,
    UuidArray,
)
from omniroute.infra.postgres.binaries import BinariesMissing, FolderUnreachable, ServerFailed
from omniroute.infra.postgres.database import (
    Connection,
    Database,
    PoolLimits,
    ServerTooOld,
    Tx,
)
from omniroute.infra.postgres.faults import DatabaseUnavailable, LockTimeout, StatementTimeout, WriteConflict
from omniroute.infra.postgres.migrate import (
    Migration,
    MigrationFailed,
    MigrationRefused,
    MigrationUnreachable,
    Status,
    migrate,
    status,
)
from omniroute.infra.postgres.paging import read_page
from omniroute.infra.postgres.presence import Departures, present
from omniroute.infra.postgres.server import (
    AlreadyRunning,
    EmbeddedPostgres,
    FolderDamaged,
    VersionMismatch,
    default_folder,
)
from omniroute.infra.postgres.sql import Listing, Queries, Query, load

__all__ = [
    "AlreadyRunning",
    "BinariesMissing",
    "BoolArray",
    "CharArray",
    "Connection",
    "Database",
    "DatabaseUnavailable",
    "DateArray",
    "Departures",
    "EmbeddedPostgres",
    "FolderDamaged",
    "FolderUnreachable",
    "Int4Array",
    "Int8Array",
    "JsonbArray",
    "Listing",
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
    "TextArray",
    "TimestampArray",
    "Tx",
    "UuidArray",
    "VersionMismatch",
    "WriteConflict",
    "default_folder",
    "load",
    "migrate",
    "present",
    "read_page",
    "status",
]
