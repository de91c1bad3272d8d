"""How the embedded server is set up: settings for a ledger, and who may log in from where."""

from collections.abc import Mapping

# For a ledger: many short writing transactions, tables that only grow, and crash safety above all.
SETTINGS: Mapping[str, str] = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    "max_wal_size": "4GB",
    "min_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "wal_compression": "off",
    "random_page_cost": "1.1",
    "jit": "off",
    # Insert-only tables need vacuum too: it sets the visibility map that index-only reads live on.
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_vacuum_cost_limit": "1000",
    "idle_in_transaction_session_timeout": "60s",
    "password_encryption": "scram-sha-256",
    "log_checkpoints": "off",
    "log_lock_waits": "on",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
DURABLE: Mapping[str, str] = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
FAST: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

HBA = """# Written by omniroute. Everybody gives a password.
local   all          all                     scram-sha-256
host    all          all       127.0.0.1/32  scram-sha-256
local   replication  postgres                scram-sha-256
host    replication  postgres  127.0.0.1/32  scram-sha-256
"""
