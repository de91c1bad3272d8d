"""What the tracked database has, and what of it each role sees."""
