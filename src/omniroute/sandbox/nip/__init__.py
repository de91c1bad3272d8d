"""NIP as NIBSS serves it, in both forms: SOAP under `nip`, REST under `nip_rest`.

One switch behind both: holders made from account numbers, transfers at once, status queries for 24 hours and three a
minute, duplicates answered with 26 or 94, and a settlement report of what really moved. See `switch` for magic payees.
"""

from omniroute.sandbox.nip.people import holder
from omniroute.sandbox.nip.rest import NipRestSandbox
from omniroute.sandbox.nip.soap import NipSandbox

__all__ = ["NipRestSandbox", "NipSandbox", "holder"]
