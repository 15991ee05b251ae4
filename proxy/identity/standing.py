"""Why a key that is known does not work: what its owner is told."""

from datetime import UTC, datetime

from ..errors import AuthenticationFailed, PermissionDenied
from ..storage.records import AccountRecord, KeyRecord


def refuse_inactive(account: AccountRecord) -> None:
    """Raises ``PermissionDenied`` for an account that is suspended or closed."""
    if account.status != "active":
        raise PermissionDenied(
            f"The account of this key is {account.status}, so none of its keys works; ask the gateway's operator."
        )


def ended(key: KeyRecord, now: float) -> AuthenticationFailed:
    """What the holder of ``key`` is told once it has been revoked, replaced or has expired."""
    if key.revoked is not None and now >= key.revoked:
        how = "was replaced by a newer one and stopped working" if key.replaced_by is not None else "was revoked"
        return AuthenticationFailed(
            f"This API key {how} at {_written(key.revoked)}; use the one issued since, or ask for one."
        )
    return AuthenticationFailed(
        f"This API key expired at {_written(key.expires)}; ask the gateway's operator for a new one."
    )


def _written(moment: float | None) -> str:
    try:
        return datetime.fromtimestamp(moment or 0.0, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "a time that has no date"
