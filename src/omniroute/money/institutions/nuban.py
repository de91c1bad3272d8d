"""The check digit of Nigerian account numbers (NUBAN), as the Central Bank defines it since 2020.

An account number is nine digits and a check digit over the code of the institution and those nine. The code has six
digits: a bank's three become 000 and the three, another institution's five become 9 and the five.
"""

import re

_WEIGHTS = (3, 7, 3) * 5
_NUBAN = re.compile(r"\d{10}", re.ASCII)


def padded(code: str) -> str:
    """A Central Bank code of three, five or six digits as the six that are weighed."""
    before = {3: "000", 5: "9", 6: ""}.get(len(code))
    assert before is not None, f"{code!r} is no code of the Central Bank"
    return before + code


def check_digit(code: str, serial: str) -> int:
    """The tenth digit of the account with these first nine, at the institution with this Central Bank code."""
    digits = padded(code) + serial
    assert len(digits) == 15, f"{serial!r} is not nine digits"
    weighed = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=True))
    return -weighed % 10


def is_nuban(code: str, account: str) -> bool:
    """Whether ten digits can be an account number at this institution. That it exists only the bank can tell."""
    return _NUBAN.fullmatch(account) is not None and check_digit(code, account[:9]) == int(account[9])
