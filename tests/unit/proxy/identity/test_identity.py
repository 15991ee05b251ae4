"""Keys: who presents one, and how guessing is bounded."""

import pytest

from proxy.context import Principal
from proxy.errors import AuthenticationFailed, RateLimited
from proxy.identity import failures as failures_module
from proxy.identity import keyring as keyring_module
from proxy.identity.failures import FailureLimiter
from proxy.identity.keyring import Forwarder, Keyring, Open
from tests.support.clock import FakeClock

APP = Principal(name="app", tenant="app")
OPS = Principal(name="ops", tenant="ops")


def limiter(clock: FakeClock | None = None, *, per_address: int = 3, total: int = 10) -> FailureLimiter:
    return FailureLimiter(per_address=per_address, total=total, clock=clock or FakeClock(0.0))


def ring() -> Keyring:
    return Keyring([("sk-app", APP), ("a key with spaces é", OPS)], limiter(per_address=1000, total=1000))


@pytest.mark.parametrize(
    ("presented", "principal"),
    [
        ([b"sk-app"], APP),
        (["a key with spaces é".encode()], OPS),
        ([b"wrong", b"sk-app"], APP),
        ([b"sk-app", "a key with spaces é".encode()], APP),
    ],
)
def test_the_first_known_key_decides(presented: list[bytes], principal: Principal) -> None:
    assert ring().identify(presented, "192.0.2.1") is principal


@pytest.mark.parametrize(
    "presented", [[], [b""], [b"SK-APP"], [b"sk-app "], [b"sk-ap"], [b"\xff\x00"], [b"x" * 10_000]]
)
def test_everything_else_is_refused_without_an_echo(presented: list[bytes]) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        ring().identify(presented, "192.0.2.1")
    assert caught.value.code == "invalid_api_key"
    for key in presented:
        assert not key or key.decode("latin-1") not in caught.value.message


def test_unknown_and_nearly_right_take_the_same_path(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    real = keyring_module.digest
    found = ring()

    def counting(pepper: bytes, key: bytes) -> bytes:
        counted.append(len(key))
        return real(pepper, key)

    monkeypatch.setattr(keyring_module, "digest", counting)
    for key in (b"sk-apq", b"zzzzzz"):
        counted.clear()
        with pytest.raises(AuthenticationFailed) as caught:
            found.identify([key], "a")
        assert counted == [6]
        messages = caught.value.message
    with pytest.raises(AuthenticationFailed) as caught:
        found.identify([b"sk-apq"], "a")
    assert caught.value.message == messages


def test_keys_are_kept_as_digests_only() -> None:
    assert b"sk-app" not in repr(vars(ring())).encode()


def test_two_rings_do_not_share_a_pepper() -> None:
    assert set(ring()._principals) & set(ring()._principals) == set()


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


def test_good_keys_pass_while_guessing_is_refused() -> None:
    keys = Keyring([("sk-app", APP)], limiter(per_address=1))
    for error in (AuthenticationFailed, RateLimited, RateLimited):
        with pytest.raises(error):
            keys.identify([b"wrong"], "a")
    assert keys.identify([b"sk-app"], "a") is APP
