"""Bank files of ISO 20022: what NEFT and RTGS share.

Written strictly, in one set of versions (pain.001.001.09, pacs.008.001.08), each valid against its published schema.
Read leniently, in any version: pain.002 and pacs.002 as answers, camt.053 and camt.054 as statements. ACSP is not
settled, and a refusal as a duplicate refuses nothing: the first one counts.
"""

from omniroute.connectors.iso20022.orders import Debtor, Head, write_pacs_008, write_pain_001
from omniroute.connectors.iso20022.rail import CLEARING, BankFiles
from omniroute.connectors.iso20022.sessions import LAGOS, next_cut_off, next_in_window, read_times
from omniroute.connectors.iso20022.text import amount_text, control_sum, plain, read_amount, reference, uetr

__all__ = [
    "CLEARING",
    "LAGOS",
    "BankFiles",
    "Debtor",
    "Head",
    "amount_text",
    "control_sum",
    "next_cut_off",
    "next_in_window",
    "plain",
    "read_amount",
    "read_times",
    "reference",
    "uetr",
    "write_pacs_008",
    "write_pain_001",
]
