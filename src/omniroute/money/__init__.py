"""Money that moves between us and the outside: payments, and all that decides about them. Books are the ledger's."""
