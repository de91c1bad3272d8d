"""The operations customers were promised: where they are written down, and who may ask for what."""

import os
import re
from pathlib import Path

from graphql import OperationDefinitionNode, parse, print_ast

SHARED = Path(os.environ.get("OMNIROUTE_SPECS", Path(__file__).parents[3] / "shared" / "specs")).parent
BRIEF = SHARED / "brief" / "000-bank-gateway-atc-infrastructure.md"

_COLLECTED = frozenset(
    {"finance_admin", "payment_initiator", "approver", "customer_admin", "auditor", "support", "owner", "integration"}
)
READY = {
    "GetPaymentStatus": frozenset(
        {"finance_admin", "payment_initiator", "approver", "auditor", "support", "user", "owner", "integration"}
    ),
    "ApproveATCGrant": frozenset({"approver", "finance_admin", "owner"}),
    "CreateATCGrant": frozenset({"customer_admin", "finance_admin", "owner"}),
    "GetATCHierarchy": _COLLECTED,
    "GetCollectionsByATC": _COLLECTED,
    "GetPendingSettlements": _COLLECTED,
    "GetReconciliationReport": frozenset({"finance_admin", "approver", "auditor", "owner", "integration"}),
    "InitiatePayment": frozenset({"finance_admin", "payment_initiator", "owner", "integration"}),
    "ProcessBulkPayment": frozenset({"finance_admin", "owner"}),
    "RevokeATCGrant": frozenset({"customer_admin", "finance_admin", "owner"}),
    "SettlementUpdates": _COLLECTED - {"customer_admin"},
    "RecordCollection": frozenset({"finance_admin", "payment_initiator", "owner", "integration"}),
    "CreateVirtualAccount": frozenset({"finance_admin", "customer_admin", "owner"}),
    "VirtualAccountTransactions": _COLLECTED,
}
"""Who may ask for what."""

ROLES = (
    "finance_admin", "payment_initiator", "approver", "customer_admin", "auditor", "support", "user", "owner",
    "integration",
)  # fmt: skip


def operations_in(text: str) -> dict[str, str]:
    """The operations of a document, by name."""
    found = [one for one in parse(text).definitions if isinstance(one, OperationDefinitionNode) and one.name]
    return {one.name.value: print_ast(one) for one in found if one.name is not None}


def operations_of_brief() -> dict[str, str]:
    """Those that the brief shows."""
    found: dict[str, str] = {}
    for block in re.findall(r"```graphql\n(.*?)```", BRIEF.read_text(encoding="utf-8"), re.DOTALL):
        if re.search(r"^(query|mutation|subscription) ", block, re.MULTILINE):
            found |= operations_in(block)
    return found


OPERATIONS = operations_in((Path(__file__).parent / "operations.graphql").read_text(encoding="utf-8"))
