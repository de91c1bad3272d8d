"""What the ledger refuses. The order of precedence stands at the top of migration 0021."""

from omniroute.kit.refusal import Kind, Refusal


class LegsMissing(Refusal):
    """A transaction needs at least two legs and at most 1,000."""

    code = "ledger.legs_out_of_range"
    kind = Kind.INVALID


class AmountNotPositive(Refusal):
    """A leg's amount must be above zero; the direction is the side, debit or credit."""

    code = "ledger.amount_not_positive"
    kind = Kind.INVALID


class Unbalanced(Refusal):
    """Debits and credits differ; they must be equal in each currency."""

    code = "ledger.unbalanced"
    kind = Kind.INVALID


class BatchOutOfRange(Refusal):
    """The batch is empty or too large; send 1 to 10,000 items with at most 50,000 legs."""

    code = "ledger.batch_out_of_range"
    kind = Kind.INVALID


class MalformedKey(Refusal):
    """The idempotency key must be 1 to 255 printable ASCII characters."""

    code = "ledger.malformed_key"
    kind = Kind.INVALID


class MalformedReference(Refusal):
    """The reference must be 1 to 128 characters, none of them a control character."""

    code = "ledger.malformed_reference"
    kind = Kind.INVALID


class MetadataTooLarge(Refusal):
    """The metadata is more than 16 KiB of JSON; keep documents elsewhere and refer to them."""

    code = "ledger.metadata_too_large"
    kind = Kind.INVALID


class LinkedGroupBroken(Refusal):
    """Items of one linked group must stand together, and no key or reference may stand twice in it."""

    code = "ledger.linked_group_broken"
    kind = Kind.INVALID


class KeyReused(Refusal):
    """This idempotency key was already used with another body; take a new key for a new request."""

    code = "ledger.key_reused"
    kind = Kind.CONFLICT


class DuplicateReference(Refusal):
    """A transaction with this reference exists already; a reference is unique for ever."""

    code = "ledger.duplicate_reference"
    kind = Kind.CONFLICT


class UnknownAccount(Refusal):
    """No account of yours has this code or id."""

    code = "ledger.unknown_account"
    kind = Kind.REFUSED


class AccountNotFound(Refusal):
    """There is no such account."""

    code = "ledger.account_not_found"
    kind = Kind.NOT_FOUND


class AccountFrozen(Refusal):
    """The account is frozen: nothing may move on it until it is opened again; holds on it may be voided."""

    code = "ledger.account_frozen"
    kind = Kind.REFUSED


class AccountClosed(Refusal):
    """The account is closed for ever."""

    code = "ledger.account_closed"
    kind = Kind.REFUSED


class CurrencyMismatch(Refusal):
    """The leg's currency is not the account's; an account holds one currency."""

    code = "ledger.currency_mismatch"
    kind = Kind.REFUSED


class PeriodClosed(Refusal):
    """The value date lies in a closed accounting period; book with a later date, or as a late item."""

    code = "ledger.period_closed"
    kind = Kind.REFUSED


class PeriodSoftClosed(Refusal):
    """The value date lies in a soft-closed period, where only a role with the right to may post."""

    code = "ledger.period_soft_closed"
    kind = Kind.REFUSED


class UnknownHold(Refusal):
    """No hold of yours has this id."""

    code = "ledger.unknown_hold"
    kind = Kind.NOT_FOUND


class UnknownTransaction(Refusal):
    """No transaction of yours has this id."""

    code = "ledger.unknown_transaction"
    kind = Kind.NOT_FOUND


class HoldResolved(Refusal):
    """The hold has been captured or released in full; nothing is left of it."""

    code = "ledger.hold_resolved"
    kind = Kind.REFUSED


class HoldExpired(Refusal):
    """The hold's deadline has passed; it can only be released."""

    code = "ledger.hold_expired"
    kind = Kind.REFUSED


class HoldNotExpired(Refusal):
    """The hold's deadline has not passed yet."""

    code = "ledger.hold_not_expired"
    kind = Kind.REFUSED


class CaptureAboveHold(Refusal):
    """The capture is above what is left of the hold."""

    code = "ledger.capture_above_hold"
    kind = Kind.REFUSED


class LegsNeeded(Refusal):
    """A part of a transaction with more than two legs must be given leg by leg."""

    code = "ledger.legs_needed"
    kind = Kind.REFUSED


class LegNotInSource(Refusal):
    """A leg names an account and side that the hold or transaction does not have."""

    code = "ledger.leg_not_in_source"
    kind = Kind.REFUSED


class AlreadyReversed(Refusal):
    """The transaction has been reversed in full already."""

    code = "ledger.already_reversed"
    kind = Kind.REFUSED


class ReversalAboveOriginal(Refusal):
    """The reversal is above what is left of the original transaction."""

    code = "ledger.reversal_above_original"
    kind = Kind.REFUSED


class NotReversible(Refusal):
    """Only postings and captures can be reversed; void a hold, and book a new transaction to undo a reversal."""

    code = "ledger.not_reversible"
    kind = Kind.REFUSED


class ConditionFailed(Refusal):
    """A condition on the state of an account does not hold; read the account again and decide anew."""

    code = "ledger.condition_failed"
    kind = Kind.REFUSED


class ConditionOnDeferred(Refusal):
    """Deferred accounts have no version and no exact balance at posting time; conditions need a strict account."""

    code = "ledger.condition_on_deferred"
    kind = Kind.REFUSED


class BalanceOverflow(Refusal):
    """The account's turnover would pass 2^63-1 minor units; a deferred account takes legs up to 2^56."""

    code = "ledger.balance_overflow"
    kind = Kind.REFUSED


class InsufficientFunds(Refusal):
    """The account would fall below its floor, holds included."""

    code = "ledger.insufficient_funds"
    kind = Kind.REFUSED


class CeilingExceeded(Refusal):
    """The account would rise above its ceiling, holds included."""

    code = "ledger.ceiling_exceeded"
    kind = Kind.REFUSED


class LinkedRefused(Refusal):
    """Another item of the same linked group was refused, so none of the group was booked."""

    code = "ledger.linked_refused"
    kind = Kind.REFUSED


class MalformedAccount(Refusal):
    """The account's code, name, type or currency is not well-formed."""

    code = "ledger.malformed_account"
    kind = Kind.INVALID


class AccountCodeTaken(Refusal):
    """An account with this code exists already with other properties."""

    code = "ledger.account_code_taken"
    kind = Kind.CONFLICT


class AccountChanged(Refusal):
    """The account was changed since you read it; read it again."""

    code = "ledger.account_changed"
    kind = Kind.PRECONDITION_FAILED


class AccountNotEmpty(Refusal):
    """Only an account with no balance and no holds can be closed."""

    code = "ledger.account_not_empty"
    kind = Kind.REFUSED


class LimitAgainstBalance(Refusal):
    """The account's present balance, holds included, is outside the new limits."""

    code = "ledger.limit_against_balance"
    kind = Kind.REFUSED


class LimitOnDeferred(Refusal):
    """A deferred account has no limits; only strict accounts are checked at posting time."""

    code = "ledger.limit_on_deferred"
    kind = Kind.INVALID


class Busy(Refusal):
    """The ledger's queue is full and nothing was booked; try again later."""

    code = "ledger.busy"
    kind = Kind.BUSY


class TenantBusy(Refusal):
    """Your organisation has too many postings waiting and this one was not booked; try again later."""

    code = "ledger.tenant_busy"
    kind = Kind.THROTTLED
