"""Who holds which account, and which institutions there are. Made from the numbers, so it is the same every time."""

from dataclasses import dataclass
from hashlib import blake2b

INSTITUTIONS = {
    "000001": "Sterling Bank", "000002": "Keystone Bank", "000003": "First City Monument Bank",
    "000004": "United Bank for Africa", "000007": "Fidelity Bank", "000008": "Polaris Bank", "000010": "Ecobank",
    "000011": "Unity Bank", "000012": "Stanbic IBTC Bank", "000013": "Guaranty Trust Bank", "000014": "Access Bank",
    "000015": "Zenith Bank", "000016": "First Bank of Nigeria", "000017": "Wema Bank", "000018": "Union Bank",
    "000020": "Heritage Bank", "000021": "Standard Chartered Bank", "000022": "Suntrust Bank",
    "000023": "Providus Bank", "090267": "Kuda Microfinance Bank", "090405": "Moniepoint Microfinance Bank",
    "100004": "Opay", "100033": "Palmpay", "999001": "Sandbox Bank One", "999002": "Sandbox Bank Two",
}  # fmt: skip
"""The ones the list names. Enquiries and transfers go to every code of six digits but 000000."""

UNKNOWN_INSTITUTION = "000000"

_FIRST = (
    "Adaeze", "Aminu", "Bola", "Chidi", "Damilola", "Efosa", "Fatima", "Gbenga", "Halima", "Ibrahim", "Jumoke",
    "Kelechi", "Ladi", "Musa", "Ngozi", "Obinna", "Patience", "Rukayat", "Sani", "Tunde", "Uche", "Yetunde", "Zainab",
)  # fmt: skip
_LAST = (
    "Abubakar", "Adeyemi", "Afolabi", "Balogun", "Bello", "Danjuma", "Eze", "Ibekwe", "Idris", "Igwe", "Lawal",
    "Mohammed", "Nwosu", "Obi", "Ogunleye", "Okafor", "Okonkwo", "Oladipo", "Onyeka", "Sule", "Umar", "Usman", "Yusuf",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """The holder of an account."""

    name: str
    bvn: str
    kyc_level: str


def holder(institution: str, account: str) -> Person:
    """Who holds this account."""
    number = int.from_bytes(blake2b(f"{institution}:{account}".encode(), digest_size=16).digest())
    first, number = _FIRST[number % len(_FIRST)], number // len(_FIRST)
    middle, number = _FIRST[number % len(_FIRST)], number // len(_FIRST)
    last, number = _LAST[number % len(_LAST)], number // len(_LAST)
    return Person(f"{last} {first} {middle}".upper(), f"22{number % 10**9:09d}", str(number % 3 + 1))
