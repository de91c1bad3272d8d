"""Who takes part: organisations and their branches, people, and what each credential may do."""
