"""Secrets of records, sealed under master keys that are kept apart from the database.

vault = Vault(open_keys("file", folder=..., create=True))
sealed = await vault.seal_fields(Binding(tenant_id, "bank_connection", connection_id), {"client_secret": "..."})
fields = await vault.open_fields(binding, sealed)       refused under any other binding

A key belongs to one record of one organisation: moved to another row it does not open. `rotate` brings records under a
new master key without opening them.
"""

from omniroute.infra.secrets.envelope import Vault, key_id_of
from omniroute.infra.secrets.errors import BadKeys, KeyMissing, KeysUnavailable, SecretDamaged, SecretMisplaced
from omniroute.infra.secrets.files import FileKeys
from omniroute.infra.secrets.hsm import HsmKeys
from omniroute.infra.secrets.model import Binding, KeyProvider, SecretFields, Wrapped
from omniroute.infra.secrets.opening import open_keys
from omniroute.infra.secrets.rotation import Rotation, rotate

__all__ = [
    "BadKeys",
    "Binding",
    "FileKeys",
    "HsmKeys",
    "KeyMissing",
    "KeyProvider",
    "KeysUnavailable",
    "Rotation",
    "SecretDamaged",
    "SecretFields",
    "SecretMisplaced",
    "Vault",
    "Wrapped",
    "key_id_of",
    "open_keys",
    "rotate",
]
