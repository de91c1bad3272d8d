"""From settings to keys."""

import os
from pathlib import Path

from omniroute.infra.secrets.errors import BadKeys
from omniroute.infra.secrets.files import FileKeys
from omniroute.infra.secrets.hsm import HsmKeys
from omniroute.infra.secrets.model import KeyProvider


def open_keys(
    provider: str,
    *,
    folder: Path,
    create: bool = False,
    module: str = "",
    token: str = "",
    slot: int = -1,
    label: str = "omniroute",
    pin: str = "",
    pin_file: str = "",
) -> KeyProvider:
    """The keys that the settings name: `file` in `folder` (made if `create`), or `pkcs11`.

    The PIN is read when a session is opened, from `pin_file` if given, else it is `pin`; the first use opens the first
    session.

    Raises: BadKeys, KeysUnavailable.
    """
    if provider == "file":
        return FileKeys.create(folder) if create else FileKeys(folder)
    if provider != "pkcs11":
        raise BadKeys("expected `file` or `pkcs11`", provider=provider)
    if not module or not os.path.exists(module):
        raise BadKeys("the PKCS#11 module is not there", module=module)
    return HsmKeys(
        module, pin=lambda: _pin(pin, pin_file), token=token or None, slot=None if slot < 0 else slot, label=label
    )


def _pin(pin: str, pin_file: str) -> str:
    if not pin_file:
        return pin
    try:
        return Path(pin_file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        raise BadKeys("the file with the PIN cannot be read", file=pin_file) from None
