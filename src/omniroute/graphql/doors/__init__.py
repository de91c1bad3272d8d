"""The ways in: HTTP, and what every way needs (who asks, in which role, what is on the allow list, metrics)."""
