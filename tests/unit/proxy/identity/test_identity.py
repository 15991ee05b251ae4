"""Callers without a key of ours, and how guessing is bounded."""

import pytest

from proxy.errors import AuthenticationFailed, RateLimited
from proxy.identity import failures as failures_module
from proxy.identity.failures import FailureLimiter
from proxy.identity.modes import Forwarder, Open
from tests.support.clock import FakeClock


def limiter(clock: FakeClock | None = None, *, per_address: int = 3, total: int = 10) -> FailureLimiter:
    return FailureLimiter(per_address=per_address, total=total, clock=clock or FakeClock(0.0))


def test_a_forwarded_key_is_its_own_tenant() -> None:
    forwarder = Forwarder(limiter())
    one, same, other = (forwarder.identify([key], "a") for key in (b"k1", b"k1", b"k2"))
    assert one == same
    assert one.tenant != other.tenant
    assert one.forwarded == b"k1"
    assert "k1" not in one.tenant
    with pytest.raises(AuthenticationFailed):
        forwarder.identify([], "a")


def test_open_knows_one_tenant() -> None:
    assert Open().identify([], "a") is Open().identify([b"x"], "b")


# ---- guessing -------------------------------------------------------------------------------------------------------


def test_one_address_is_bounded_and_others_are_not() -> None:
    found = limiter()
    for _ in range(3):
        found.failed("a")
    with pytest.raises(RateLimited) as caught:
        found.failed("a")
    assert caught.value.code == "rate_limit_exceeded"
    found.failed("b")


def test_the_bound_over_all_holds_for_many_addresses() -> None:
    found = limiter(total=10)
    for index in range(10):
        found.failed(f"address-{index}")
    with pytest.raises(RateLimited):
        found.failed("another")


def test_a_new_minute_starts_over_and_retry_after_says_when() -> None:
    clock = FakeClock(60 * 1000 + 45.0)
    found = limiter(clock)
    for _ in range(3):
        found.failed("a")
    with pytest.raises(RateLimited) as caught:
        found.failed("a")
    assert dict(caught.value.headers)[b"retry-after"] == b"15"
    clock.advance(15)
    found.failed("a")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures_module, "ADDRESSES", 100)
    found = limiter(total=10**9)
    for index in range(1000):
        found.failed(str(index))
    assert len(found._failures) == 100
