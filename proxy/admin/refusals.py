"""Errors of the admin API alone, and what the database's own mean to whoever asked."""

from ..errors import ClientError, Conflict, InternalError, ObjectNotFound, RawHeaders, TollwayError, retry_after
from ..storage.errors import StorageConflict, StorageError, StorageMissing

RETRY_SECONDS = 1.0


class StorageRequired(TollwayError):
    """The gateway has no database, so there is nothing to administer."""

    status = 501
    default_code = "storage_required"
    should_retry = False


class StateRequired(TollwayError):
    """What is asked for is in the memory of other processes."""

    status = 501
    default_code = "state_required"
    should_retry = False


class StorageDown(TollwayError):
    """The database cannot be used now."""

    status = 503
    default_code = "storage_unavailable"


class MethodNotAllowed(ClientError):
    """The path exists, and not with this method. ``allow`` in ``headers``."""

    status = 405
    default_code = "method_not_allowed"

    def __init__(self, method: str, allowed: str) -> None:
        headers: RawHeaders = ((b"allow", allowed.encode()),)
        super().__init__(f"This path does not take {method[:20]}; it takes {allowed}.", headers=headers)


def as_refusal(problem: Exception) -> TollwayError:
    """What the client is told: our own errors as they are, the database's in our words, anything else as our bug."""
    if isinstance(problem, TollwayError):
        return problem
    if isinstance(problem, StorageMissing):
        return ObjectNotFound(str(problem))
    if isinstance(problem, StorageConflict):
        return Conflict(str(problem))
    if isinstance(problem, StorageError):
        return StorageDown(
            "The database cannot be used now, so nothing was changed or read; send the request again, with its Idempotency-Key.",
            detail=str(problem),
            headers=retry_after(RETRY_SECONDS),
        )
    return InternalError(detail=type(problem).__name__)
