"""What policies refuse."""

from omniroute.kit.refusal import Kind, Refusal


class MalformedPolicy(Refusal):
    """The policy is not written as it must be; the detail names the field and what it must look like."""

    code = "policies.malformed"
    kind = Kind.INVALID


class PolicyNotFound(Refusal):
    """There is no such policy."""

    code = "policies.not_found"
    kind = Kind.NOT_FOUND


class PolicyChanged(Refusal):
    """The policy was changed meanwhile, by somebody else or by an approved proposal; read it again."""

    code = "policies.changed"
    kind = Kind.PRECONDITION_FAILED


class TooManyPolicies(Refusal):
    """The organisation has as many policies of this kind as it may; retire one first."""

    code = "policies.too_many"
    kind = Kind.REFUSED


class ProposalNotFound(Refusal):
    """There is no such proposed change."""

    code = "policies.proposal_not_found"
    kind = Kind.NOT_FOUND


class ProposalDecided(Refusal):
    """This proposed change was decided before; `status` tells how."""

    code = "policies.proposal_decided"
    kind = Kind.CONFLICT


class ProposerDecides(Refusal):
    """Who proposed a change of limits or approvals does not decide on it; a second person must."""

    code = "policies.proposer_decides"
    kind = Kind.FORBIDDEN


class PersonNeeded(Refusal):
    """A change of limits or approvals is decided by a person who has signed in, not by a key."""

    code = "policies.person_needed"
    kind = Kind.FORBIDDEN


class MoreApprovalsNeeded(Refusal):
    """The organisation's rules now ask for more approvals than when this payment was initiated.

    Cancel it and initiate it again under a new reference.
    """

    code = "policies.more_approvals_needed"
    kind = Kind.REFUSED


class PolicyNameTaken(Refusal):
    """Another policy of this kind in force has this name."""

    code = "policies.name_taken"
    kind = Kind.CONFLICT
