"""What batches refuse. Nothing has moved when one of these is raised."""

from omniroute.kit.refusal import Kind, Refusal


class BatchNotFound(Refusal):
    """There is no such batch."""

    code = "batches.not_found"
    kind = Kind.NOT_FOUND


class MalformedBatch(Refusal):
    """What is said about the batch is not written as it must be; the detail names the parameter."""

    code = "batches.malformed"
    kind = Kind.INVALID


class EmptyFile(Refusal):
    """The file has no payments in it."""

    code = "batches.empty_file"
    kind = Kind.INVALID


class UnreadableFile(Refusal):
    """The file cannot be read as what it is said to be; the detail tells where it stops making sense.

    Nothing of it was kept.
    """

    code = "batches.unreadable_file"
    kind = Kind.INVALID


class UnknownEncoding(Refusal):
    """The text of the file is in no encoding that we read.

    UTF-8 is best; UTF-16 with a byte order mark and Windows-1252 are understood.
    """

    code = "batches.unknown_encoding"
    kind = Kind.INVALID


class UnknownColumn(Refusal):
    """The file has a column we do not know, has one twice, or lacks one it needs; `allowed` lists those there are."""

    code = "batches.unknown_column"
    kind = Kind.INVALID


class TooManyLines(Refusal):
    """The file has more payments than a batch may have; split it. `lines_max` is how many it may have."""

    code = "batches.too_many_lines"
    kind = Kind.TOO_LARGE


class ControlSumWrong(Refusal):
    """The file's own count or sum does not agree with its payments: it is damaged or incomplete."""

    code = "batches.control_sum_wrong"
    kind = Kind.INVALID


class FileKnown(Refusal):
    """This file has come in before, as the batch `batch_id`.

    If it shall be paid once more, send it with `repeat_of` naming that batch, under references of its own.
    """

    code = "batches.file_known"
    kind = Kind.CONFLICT


class BatchReferenceTaken(Refusal):
    """A batch with this reference exists; references are unique for ever in an organisation."""

    code = "batches.reference_taken"
    kind = Kind.CONFLICT


class DuplicateReference(Refusal):
    """An earlier line of the file has the same reference; each payment needs one of its own."""

    code = "batches.duplicate_reference"
    kind = Kind.INVALID


class BatchInWrongState(Refusal):
    """The batch is not in a state in which this can be done; `state` tells where it stands."""

    code = "batches.wrong_state"
    kind = Kind.CONFLICT


class InvalidLines(Refusal):
    """Lines of the batch have errors, and it is to be paid whole or not at all.

    Read the report, mend the file and send it again; or submit with `on_invalid` `skip_lines` to pay the others.
    """

    code = "batches.invalid_lines"
    kind = Kind.REFUSED


class NothingToPay(Refusal):
    """No line of the batch can be paid."""

    code = "batches.nothing_to_pay"
    kind = Kind.REFUSED


class BatchApproverIsInitiator(Refusal):
    """Who sent a batch in or submitted it does not approve it; somebody else must."""

    code = "batches.approver_is_initiator"
    kind = Kind.FORBIDDEN


class BatchAlreadyDecided(Refusal):
    """This approver has already decided on this batch."""

    code = "batches.already_decided"
    kind = Kind.CONFLICT


class BatchApprovalExpired(Refusal):
    """The time to approve this batch is over; cancel it and send the file again."""

    code = "batches.approval_expired"
    kind = Kind.REFUSED


class NothingToRetry(Refusal):
    """No line of the batch has failed in a way that is proven to be unpaid."""

    code = "batches.nothing_to_retry"
    kind = Kind.REFUSED


class FormatNotOffered(Refusal):
    """The result is not offered in this format: pain.002 answers a batch that came as pain.001."""

    code = "batches.format_not_offered"
    kind = Kind.INVALID
