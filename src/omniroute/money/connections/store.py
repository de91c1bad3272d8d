"""Rows of connections as values."""

from typing import Any

from omniroute.infra.postgres import load
from omniroute.money.connections.model import BankConnection, ConnectionStatus, Health
from omniroute.ports.rails import Operation

SQL = load("omniroute.money.connections")
CONNECTIONS = SQL.listing("list_connections")


def connection_of(row: Any) -> BankConnection:
    """A row of `bank_connection`, without its secrets."""
    return BankConnection(
        connection_id=row.connection_id,
        code=row.code,
        name=row.name,
        rail=row.rail,
        bank_code=row.bank_code,
        currency=row.currency,
        endpoint=row.endpoint,
        public=row.public,
        operations=frozenset(Operation(operation) for operation in row.operations),
        status=ConnectionStatus(row.status),
        health=Health(row.health),
        health_reason=row.health_reason,
        health_at=row.health_at,
        float_account_id=row.float_account_id,
        float_low_minor=row.float_low_minor,
        limits=row.limits,
        statement_until=row.statement_until,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
