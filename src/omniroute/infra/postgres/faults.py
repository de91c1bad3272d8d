"""What can be wrong with the machine, sorted once from what the driver raises.

    WriteConflict         serialisation failure or deadlock; rolled back; `run` tries again
      LockTimeout         waited too long for a row; rolled back; the wait was the retry
    StatementTimeout      a statement took too long; rolled back
    DatabaseUnavailable   no connection, or it was lost; a COMMIT that was under way may have happened

Everything else passes as it is: a constraint violation is for the service to translate by the constraint's name.
"""

import psycopg
from psycopg import errors
from psycopg_pool import PoolTimeout, TooManyRequests

from omniroute.kit.refusal import Fault


class DatabaseUnavailable(Fault):
    """PostgreSQL cannot be reached, or the connection was lost; whether the work happened is not known."""


class WriteConflict(Fault):
    """PostgreSQL gave up on this transaction (serialisation, deadlock, lock time-out); nothing happened."""


class LockTimeout(WriteConflict):
    """A row or table stayed locked by others for too long; nothing happened."""


class StatementTimeout(Fault):
    """A statement ran longer than allowed, or was cancelled by an administrator; nothing happened."""


# Classes of SQLSTATE that mean the machine, not the statement: connection, authorisation, catalog gone, resources,
# operator intervention, system error.
_MACHINE_CLASSES = frozenset({"08", "28", "3D", "53", "57", "58"})
# The server ended our session; psycopg files these under InternalError.
_ENDED_BY_SERVER = (errors.IdleInTransactionSessionTimeout, errors.lookup("25P04"))


def fault_of(error: psycopg.Error) -> Fault | None:
    """The fault a driver error stands for, or None when it is not the machine's."""
    match error:
        case errors.LockNotAvailable():
            return LockTimeout(str(error))
        case errors.SerializationFailure() | errors.DeadlockDetected():
            return WriteConflict(str(error))
        case errors.QueryCanceled():
            return StatementTimeout(str(error))
        case errors.InterfaceError() | PoolTimeout() | TooManyRequests():
            return DatabaseUnavailable(str(error))
    if isinstance(error, _ENDED_BY_SERVER):
        return DatabaseUnavailable(str(error))
    # Without an SQLSTATE the server said nothing: the connection broke on the way.
    if isinstance(error, errors.OperationalError) and (not error.sqlstate or error.sqlstate[:2] in _MACHINE_CLASSES):
        return DatabaseUnavailable(str(error))
    return None
