"""The check of the books over HTTP: everything that is kept twice is compared, and what differs is named."""

from omniroute.api.call import Call
from omniroute.api.errors import Unavailable
from omniroute.api.operations import operation
from omniroute.api.shapes import Out
from omniroute.ledger import checking
from omniroute.parties.access import Permission

FINDINGS_MAX = 1_000


class FindingOut(Out):
    """One thing that is wrong: what, where, and how."""

    what: str
    where: str
    detail: str


class CheckOut(Out):
    """The books are right when `balanced` is true. At most 1,000 findings are named; `more` tells of others."""

    balanced: bool
    state_hash: str
    findings: list[FindingOut]
    more: bool


@operation(
    "GET", "/v1/{tenant}/ledger/check", tag="Ledger check", permission=Permission.LEDGER_CHECK, whole=True,
    transaction=False, reply=CheckOut, refusals=("api.unavailable",),
    example_reply={"balanced": True, "state_hash": "9f2c" + "0" * 60, "findings": [], "more": False},
)  # fmt: skip
async def check_ledger(call: Call) -> CheckOut:
    """Check the books.

    Compares conservation per currency, balances with entries, versions, limits, holds, periods, references, events and
    the chain. Runs beside postings; on a large ledger it takes minutes.
    """
    worker_db = call.services.worker_db
    if worker_db is None:
        raise Unavailable()
    findings: list[FindingOut] = []
    async for finding in checking.check(worker_db, call.tenant_id):
        findings.append(FindingOut(what=finding.what, where=finding.where, detail=finding.detail))
        if len(findings) > FINDINGS_MAX:
            break
    async with worker_db.tx(call.tenant_id, readonly=True) as tx:
        state = await checking.state_hash(tx)
    return CheckOut(
        balanced=not findings,
        state_hash=state.hex(),
        findings=findings[:FINDINGS_MAX],
        more=len(findings) > FINDINGS_MAX,
    )
