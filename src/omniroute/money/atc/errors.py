"""What authority to collect refuses. Nothing has moved when one of these is raised."""

from omniroute.kit.refusal import Kind, Refusal


class MalformedGrant(Refusal):
    """The grant is not written as it must be; the detail names the field and what it must look like."""

    code = "atc.malformed"
    kind = Kind.INVALID


class GrantNotFound(Refusal):
    """There is no such authority to collect."""

    code = "atc.not_found"
    kind = Kind.NOT_FOUND


class GrantExists(Refusal):
    """A grant with this reference exists already; choose another."""

    code = "atc.reference_taken"
    kind = Kind.CONFLICT


class GrantConflict(Refusal):
    """A grant between the same two parties covers some of this already; `reference` names it."""

    code = "atc.conflict"
    kind = Kind.CONFLICT


class WrongParty(Refusal):
    """This partner cannot give or receive authority to collect; the detail says why."""

    code = "atc.wrong_party"
    kind = Kind.REFUSED


class BeyondParent(Refusal):
    """Nobody passes on more than they were given: the grant goes beyond its parent; `field` names in what."""

    code = "atc.beyond_parent"
    kind = Kind.REFUSED


class ParentNotActive(Refusal):
    """The grant that this one passes on is not active; `status` tells where it stands."""

    code = "atc.parent_not_active"
    kind = Kind.REFUSED


class WrongStatus(Refusal):
    """The grant does not stand where this can be done; `status` tells where it stands."""

    code = "atc.wrong_status"
    kind = Kind.CONFLICT


class GrantOver(Refusal):
    """The time of the grant is over; write a new one."""

    code = "atc.over"
    kind = Kind.REFUSED


class ApproverIsAuthor(Refusal):
    """Who writes a grant does not approve or reject it; somebody else must."""

    code = "atc.approver_is_author"
    kind = Kind.FORBIDDEN
