"""What a key may do and from where."""

import logging
import timeit

import pytest

from proxy.context import Principal
from proxy.errors import PermissionDenied
from proxy.identity.authorisation import authorise, networks_of, within


def caller(*, networks: tuple[str, ...] = (), endpoints: tuple[str, ...] = ("*",)) -> Principal:
    return Principal(name="app", tenant="acc", networks=networks_of(networks), endpoints=endpoints)


@pytest.mark.parametrize(
    ("ranges", "client", "inside"),
    [
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "11.1.2.3", False),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8",), "::ffff:a01:203", True),
        (("10.0.0.0/8",), "::ffff:11.1.2.3", False),
        (("::ffff:10.0.0.0/104",), "10.1.2.3", True),
        (("::ffff:10.0.0.0/104",), "::ffff:10.1.2.3", True),
        (("::/0",), "10.1.2.3", False),
        (("0.0.0.0/0",), "2001:db8::1", False),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("192.0.2.7",), "192.0.2.7", True),
        (("192.0.2.7/8",), "192.1.1.1", True),
        (("10.0.0.0/8", "192.0.2.0/24"), "192.0.2.1", True),
        (("0.0.0.0/0", "::/0"), "", False),
        (("0.0.0.0/0", "::/0"), "unix:", False),
        (("0.0.0.0/0", "::/0"), "10.1.2.3:8080", False),
        (("0.0.0.0/0", "::/0"), "010.1.2.3", False),
        (("0.0.0.0/0",), "0x7f000001", False),
    ],
)
def test_networks(ranges: tuple[str, ...], client: str, inside: bool) -> None:
    assert within(networks_of(ranges), client) is inside
    principal = caller(networks=ranges)
    if inside:
        authorise(principal, "chat", client)
    else:
        with pytest.raises(PermissionDenied):
            authorise(principal, "chat", client)


def test_the_refusal_names_the_rule_and_not_the_range() -> None:
    with pytest.raises(PermissionDenied) as caught:
        authorise(caller(networks=("198.51.100.0/24",)), "chat", "203.0.113.9")
    assert caught.value.code == "permission_denied"
    assert caught.value.status == 403
    assert "'networks'" in caught.value.message
    assert "198.51" not in caught.value.message
    assert "203.0" not in caught.value.message


def test_ranges_that_cannot_be_read_open_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        broken = networks_of(("everywhere", "10.0.0.0/99"))
    assert len(caplog.records) == 2
    assert broken
    for client in ("10.0.0.1", "127.0.0.1", "::1", ""):
        assert not within(broken, client)
    assert within(networks_of(("everywhere", "10.0.0.0/8")), "10.0.0.1")
    assert networks_of(()) == ()


@pytest.mark.parametrize(
    ("endpoints", "endpoint", "allowed"),
    [
        (("*",), "chat", True),
        (("chat",), "chat", True),
        (("chat",), "embeddings", False),
        (("chat",), "CHAT", False),
        (("chat", "embed*"), "embeddings", True),
        ((), "chat", False),
        (("",), "chat", False),
        (("[a-d]hat",), "chat", True),
    ],
)
def test_endpoints(endpoints: tuple[str, ...], endpoint: str, allowed: bool) -> None:
    principal = caller(endpoints=endpoints)
    if allowed:
        authorise(principal, endpoint, "")
        return
    with pytest.raises(PermissionDenied) as caught:
        authorise(principal, endpoint, "")
    assert caught.value.code == "permission_denied"
    assert "'endpoints'" in caught.value.message


def test_a_key_without_rules_costs_next_to_nothing() -> None:
    principal = caller()
    best = min(timeit.repeat(lambda: authorise(principal, "chat", "192.0.2.1"), number=20_000, repeat=7)) / 20_000
    assert best < 1e-6, f"{best * 1e6:.2f} us; the goal is 0.3, and other things run beside this test"
