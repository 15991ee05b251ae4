"""What is said of a model that is not simply stable: in headers, and in words."""

from datetime import UTC, datetime
from email.utils import format_datetime

from ..errors import RawHeaders
from ..policy.targets import Target
from ..protocols import Directory, Standing


def said(standing: Standing) -> str:
    """``in preview``, or the tier with its last day."""
    if standing.tier == "preview":
        return "in preview"
    return (
        standing.tier if standing.shutdown is None else f"{standing.tier} (last day: {standing.shutdown.isoformat()})"
    )


def notices(directory: Directory, target: Target) -> RawHeaders:
    """What an answer from ``target`` says of its model; nothing where that is stable, unknown, or not named."""
    standing = directory.standing(target) if target.model else None
    return tuple(lifecycle_headers(standing)) if standing is not None else ()


def lifecycle_headers(standing: Standing) -> list[tuple[bytes, bytes]]:
    """``x-tollway-model-tier``, and ``deprecation`` (RFC 9745) and ``sunset`` (RFC 8594) where they are known."""
    headers = [(b"x-tollway-model-tier", standing.tier.encode())]
    if standing.tier != "preview":
        if standing.since is not None:
            headers.append((b"deprecation", b"@%d" % standing.since))
        day = standing.shutdown
        if day is not None:
            sunset = format_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC), usegmt=True)
            headers.append((b"sunset", sunset.encode()))
    return headers
