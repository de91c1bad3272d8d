"""Decisions of partners: what a well-formed one is. Values in, value or refusal out."""

import re
from collections.abc import Mapping

from omniroute.parties.partners.errors import MalformedPartner

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", re.ASCII)
_PHONE = re.compile(r"\+?[0-9][0-9 ()-]{3,23}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
NAME_LENGTH_MAX = 200
REFS_MAX = 32
REF_NAME_MAX = 64
REF_LENGTH_MAX = 200


def check_code(code: str) -> str:
    """A code, unique in the organisation.

    Raises: MalformedPartner.
    """
    if not _CODE.fullmatch(code):
        raise MalformedPartner("code: 1 to 40 letters, digits, dots, hyphens or underscores", field="code")
    return code


def check_name(name: str) -> str:
    """A name people read, without blanks around it.

    Raises: MalformedPartner.
    """
    clean = name.strip()
    if not 1 <= len(clean) <= NAME_LENGTH_MAX or not clean.isprintable():
        raise MalformedPartner(f"name: 1 to {NAME_LENGTH_MAX} printable characters", field="name")
    return clean


def check_contact(phone: str | None, email: str | None) -> None:
    """Refuse what nobody could call or write to.

    Raises: MalformedPartner.
    """
    if phone is not None and not _PHONE.fullmatch(phone):
        raise MalformedPartner("phone: 4 to 24 digits, blanks, brackets and hyphens", field="phone")
    if email is not None and not (_EMAIL.fullmatch(email) and email.isprintable()):
        raise MalformedPartner("email: an address such as amina@shop.example", field="email")


def check_refs(refs: Mapping[str, str]) -> dict[str, str]:
    """What other systems call the partner.

    Raises: MalformedPartner.
    """
    if len(refs) > REFS_MAX:
        raise MalformedPartner(f"external_refs: at most {REFS_MAX}", field="external_refs")
    for name, value in refs.items():
        if not (1 <= len(name) <= REF_NAME_MAX and name.isprintable()) or not (
            1 <= len(value) <= REF_LENGTH_MAX and value.isprintable()
        ):
            raise MalformedPartner(
                f"external_refs: names of up to {REF_NAME_MAX}, ids of up to {REF_LENGTH_MAX} printable characters",
                field="external_refs",
            )
    return dict(refs)
