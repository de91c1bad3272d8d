"""What schedules refuse. Nothing has moved when one of these is raised."""

from omniroute.kit.refusal import Kind, Refusal


class MalformedSchedule(Refusal):
    """The schedule is not written as it must be; the detail names the field and what it must look like."""

    code = "schedules.malformed"
    kind = Kind.INVALID


class NoDates(Refusal):
    """The schedule has no date that is still to come."""

    code = "schedules.no_dates"
    kind = Kind.REFUSED


class ScheduleExists(Refusal):
    """A schedule with this reference exists already; choose another."""

    code = "schedules.reference_taken"
    kind = Kind.CONFLICT


class ScheduleNotFound(Refusal):
    """There is no such schedule."""

    code = "schedules.not_found"
    kind = Kind.NOT_FOUND


class WrongState(Refusal):
    """The schedule is not in a state in which this can be done; `state` tells where it stands."""

    code = "schedules.wrong_state"
    kind = Kind.CONFLICT


class ApproverIsRequester(Refusal):
    """Who orders a schedule does not approve it; somebody else must."""

    code = "schedules.approver_is_requester"
    kind = Kind.FORBIDDEN


class AlreadyDecided(Refusal):
    """This approver has already decided on this schedule."""

    code = "schedules.already_decided"
    kind = Kind.CONFLICT
