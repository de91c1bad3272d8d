"""Banks that take files: NEFT (pain.001 in, pain.002 out) and RTGS (pacs.008 in, pacs.002 out).

Files come by HTTP or in a folder. A wrong control sum or number of orders refuses the whole file, a message id that was
there before too; what is accepted is told at once, what became of it when the session settles. Statements are camt.053.
"""

from omniroute.sandbox.bank_files.folder import BankFolder
from omniroute.sandbox.bank_files.messages import FileOrder, ReadFile, Said, read_orders, write_report, write_statement
from omniroute.sandbox.bank_files.rail import BankFilesSandbox, NeftSandbox, RtgsSandbox

__all__ = [
    "BankFilesSandbox",
    "BankFolder",
    "FileOrder",
    "NeftSandbox",
    "ReadFile",
    "RtgsSandbox",
    "Said",
    "read_orders",
    "write_report",
    "write_statement",
]
