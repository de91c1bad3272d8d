"""NIP, the instant payments of NIBSS, in both forms: SOAP (`nip`) and REST (`nip_rest`).

One set of rules for both: naira to Nigerian bank accounts, a name enquiry before each transfer, session ids of 30
digits, three status queries a minute apart, and the settlement report as the last word. Only code 00 is paid, only the
codes in `codes.json` are refusals; everything else is unknown and is asked about, never sent again.
"""

from omniroute.connectors.nip.cipher import Cipher, CipherBroken, HybridCipher, PlainCipher
from omniroute.connectors.nip.rest import NipRestConnector
from omniroute.connectors.nip.soap import NipConnector

__all__ = ["Cipher", "CipherBroken", "HybridCipher", "NipConnector", "NipRestConnector", "PlainCipher"]
