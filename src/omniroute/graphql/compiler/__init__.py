"""From validated fields to one SQL statement with parameters."""
