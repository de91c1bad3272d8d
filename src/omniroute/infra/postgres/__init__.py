"""PostgreSQL: the pool and its transactions, named SQL, migrations, and an embedded server to try things on."""

from omniroute.infra.postgres.database import (
    Connection,
    Database,
    DatabaseUnavailable,
    PoolLimits,
    Tx,
    WriteConflict,
)
from omniroute.infra.postgres.sql import Queries, Query, load

__all__ = [
    "Connection",
    "Database",
    "DatabaseUnavailable",
    "PoolLimits",
    "Queries",
    "Query",
    "Tx",
    "WriteConflict",
    "load",
]
