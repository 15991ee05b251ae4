"""A session transport that is made by its first request."""

import sys

import pytest

from proxy.context import Limits
from proxy.errors import UpstreamUnavailable
from proxy.protocols import UpstreamRequest
from proxy.upstream import session
from proxy.upstream.late import LateSession

LIMITS = Limits(connect=2.0, first_byte=None, idle=10.0, total=10.0)
REQUEST = UpstreamRequest(method="GET", url="http://127.0.0.1:1/", headers=(), body=None)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Providers for which a session transport was made."""
    names: list[str] = []
    kind = session.SessionTransport

    class Noted(kind):
        def __init__(self, provider: str, **options: object) -> None:
            names.append(provider)
            super().__init__(provider, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(session, "SessionTransport", Noted)
    return names


async def test_it_is_made_once_and_closed(made: list[str]) -> None:
    late = LateSession("p")
    assert made == []
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            await late.send(REQUEST, LIMITS)
    with pytest.raises(UpstreamUnavailable):
        await late.connect(REQUEST, LIMITS, ())
    assert made == ["p"]
    await late.close()


async def test_who_never_asked_has_nothing_to_close(made: list[str]) -> None:
    await LateSession("p").close()
    assert made == []


async def test_a_start_loads_it_at_once(made: list[str]) -> None:
    late = LateSession("p")
    assert late.load() is late.load()
    assert made == ["p"]
    assert "aiohttp" in sys.modules
    await late.close()
