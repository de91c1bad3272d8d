"""Live queries and streams: many subscribers, few statements, woken by the event log."""
