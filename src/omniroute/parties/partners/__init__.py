"""Partners: manufacturers, distributors, retailers and the others who trade with the organisation in its network.

    active -> closed (when nothing is owed to it and nothing is in its hands)

What is owed to a partner, what it has earned and what it holds of ours stands on accounts of the ledger (`payable`,
`commission`, `in_hand`), opened when first needed.
"""

from omniroute.parties.partners.books import accounts, commission, in_hand, payable
from omniroute.parties.partners.errors import PartnerClosed, PartnerNotFound
from omniroute.parties.partners.model import CreatePartner, Partner, PartnerKind, PartnerStatus, ReplacePartner
from omniroute.parties.partners.service import (
    close_partner,
    create_partner,
    find_partner,
    find_partner_by_code,
    find_partners,
    list_partners,
    look_up_partners,
    open_accounts,
    update_partner,
)
from omniroute.parties.partners.store import PARTNERS

__all__ = [
    "PARTNERS",
    "CreatePartner",
    "Partner",
    "PartnerClosed",
    "PartnerKind",
    "PartnerNotFound",
    "PartnerStatus",
    "ReplacePartner",
    "accounts",
    "close_partner",
    "commission",
    "create_partner",
    "find_partner",
    "find_partner_by_code",
    "find_partners",
    "in_hand",
    "list_partners",
    "look_up_partners",
    "open_accounts",
    "payable",
    "update_partner",
]
