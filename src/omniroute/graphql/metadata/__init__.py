"""Hasura metadata as data: read from a folder, parsed into a tree, with its naming rules."""
