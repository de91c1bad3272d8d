"""What can stand between a sealed secret and its use."""

from omniroute.kit.refusal import Fault, Kind, Refusal


class SecretDamaged(Refusal):
    """The sealed secret is damaged, or was not sealed by us; enter it again."""

    code = "secrets.damaged"
    kind = Kind.REFUSED


class SecretMisplaced(Refusal):
    """The sealed secret belongs to another record or another organisation; it was not opened."""

    code = "secrets.misplaced"
    kind = Kind.REFUSED


class KeyMissing(Refusal):
    """The master key that sealed this secret is not there; `key_id` names it.

    Bring the key back, or enter the secret again.
    """

    code = "secrets.key_missing"
    kind = Kind.REFUSED


class BadKeys(Refusal):
    """The master keys are not set up as they must be; the detail says what is wrong and what is expected."""

    code = "secrets.bad_keys"
    kind = Kind.REFUSED


class KeysUnavailable(Fault):
    """The keys cannot be asked at present (the security module is down or does not answer). Nothing is lost: repeat."""

    code = "secrets.unavailable"
