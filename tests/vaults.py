"""The vault of the tests."""

import tempfile
from functools import cache
from pathlib import Path

from omniroute.infra.secrets import FileKeys, Vault

_folder = tempfile.TemporaryDirectory(prefix="omniroute-keys-")


@cache
def the_vault() -> Vault:
    """One a process: what one test sealed in a database, another over the same database opens."""
    return Vault(FileKeys.create(Path(_folder.name)))
