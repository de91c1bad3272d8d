"""How we touch machines: PostgreSQL, the event log, group commit, telemetry. Knows no domain."""
