"""What collections by authority do on the ledger: one transaction each, with the reference `atc:<reference>`.

Dr where the money is              gross of the collector
Cr commission of each grantee      what it keeps
Cr payable of the root grantor     what is left
and for each level, so that the ceiling of its account is its cumulative limit:
Dr atc:<grant>:collected           gross of the level
Cr atc:collected:<CUR>

reversal: the opposite of all of it, `atc:<reference>:reversed`
"""

from collections.abc import Sequence
from uuid import UUID

from omniroute import ledger
from omniroute.infra.events import Meta
from omniroute.kit.money import Money
from omniroute.ledger import Leg, Side
from omniroute.money.atc.cascade import Level
from omniroute.money.atc.collections_model import RecordCollection, Source
from omniroute.money.atc.model import Grant, collected_code, collected_contra_code
from omniroute.parties import partners


def paying_account(command: RecordCollection, collector_id: UUID, currency: str) -> str:
    """The account on which the money is, unless it is a virtual account's."""
    if command.source is Source.PURCHASE:
        return partners.payable(command.collected_from_id, currency)
    return partners.in_hand(collector_id, currency)


def collect(
    tenant_id: UUID,
    command: RecordCollection,
    chain: Sequence[Grant],
    levels: Sequence[Level],
    from_account_id: UUID,
    from_label: str,
    *,
    meta: Meta,
) -> ledger.Command:
    """A collection under a grant and all it comes from, the collector's first."""
    currency = chain[0].currency
    contra = collected_contra_code(currency)

    def leg(code: str, side: Side, amount_minor: int) -> list[Leg]:
        if not amount_minor:
            return []
        return [Leg(ledger.account_id(tenant_id, code), side, Money(amount_minor, currency), code)]

    legs = [Leg(from_account_id, Side.DEBIT, Money(command.amount_minor, currency), from_label)]
    for grant, level in zip(chain, levels, strict=True):
        legs += leg(partners.commission(grant.grantee_id, currency), Side.CREDIT, level.commission_minor)
    legs += leg(partners.payable(chain[-1].grantor_id, currency), Side.CREDIT, levels[-1].net_minor)
    for grant, level in zip(chain, levels, strict=True):
        legs += leg(collected_code(grant.grant_id), Side.DEBIT, level.gross_minor)
        legs += leg(contra, Side.CREDIT, level.gross_minor)
    return ledger.post_transaction(
        legs, reference=f"atc:{command.reference}", metadata={"collection": command.reference}, meta=meta
    )


def reverse(transaction_id: UUID, reference: str, *, meta: Meta) -> ledger.Command:
    """Take a collection back. A closed period does not stand against what has happened."""
    return ledger.reverse_transaction(
        transaction_id, reference=f"atc:{reference}:reversed", late=True, may_soft=True, meta=meta
    )
