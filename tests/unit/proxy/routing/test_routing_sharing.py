"""What requests share that stick together; nothing of it is shared between tenants."""

import json

import pytest

from proxy.context import Principal
from proxy.routing.sharing import LOOKED, shared
from tests.support.routers import context_for

KEYED = Principal(name="app", tenant="acme", key="key_1")
TALK = [{"role": "system", "content": "You are a toll keeper. " * 100}, {"role": "user", "content": "hello"}]


def value(by: str, body: object = None, *, principal: Principal = KEYED, **headers: str) -> str:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    ctx = context_for(
        "m", body=json.dumps(body if body is not None else {}).encode(), headers=named, principal=principal
    )
    return shared(ctx, by)


@pytest.mark.parametrize(
    ("by", "body", "headers", "expected"),
    [
        ("user", {"user": "ann"}, {}, '"ann"'),
        ("user", {"safety_identifier": "s1"}, {}, '"s1"'),
        ("user", {"safety_identifier": "s1", "user": "ann"}, {}, '"ann"'),
        ("user", {"user": "", "safety_identifier": None}, {}, "key_1"),
        ("user", {"messages": [{"role": "user", "content": "x"}]}, {}, "key_1"),
        ("user", {"messages": [{"user": "not this one"}]}, {}, "key_1"),
        ("key", {"user": "ann"}, {}, "key_1"),
        ("session", {}, {"x_tollway_session": "s-9"}, "s-9"),
        ("session", {}, {}, ""),
        ("header:X-Thread", {}, {"x_thread": "t"}, "t"),
        ("header:x-thread", {}, {}, ""),
    ],
)
def test_values(by: str, body: object, headers: dict[str, str], expected: str) -> None:
    assert value(by, body, **headers) == (f"acme\0{expected}" if expected else "")


def test_a_prompt_is_known_by_its_beginning() -> None:
    first = value("prompt", {"model": "a", "messages": TALK})
    longer = value("prompt", {"messages": [*TALK, {"role": "assistant", "content": "yes"}], "model": "b", "n": 1})
    assert first == longer
    assert len(first) == LOOKED + len("acme\0")
    assert value("prompt", {"messages": [{"role": "user", "content": "other"}]}) != first
    assert value("prompt", {"system": "s" * 2000, "messages": TALK}) == value(
        "prompt", {"messages": [], "system": "s" * 2000}
    )
    assert value("prompt", {"input": "x"}) == 'acme\0"x"'


def test_tenants_share_nothing() -> None:
    other = Principal(name="app", tenant="other", key="key_1")
    for by, body in (("user", {"user": "ann"}), ("key", {}), ("prompt", {"messages": TALK})):
        assert value(by, body) != value(by, body, principal=other)


@pytest.mark.parametrize("body", [b"", b"no json", b'[{"user":"x"}]'])
def test_bodies_that_are_no_object(body: bytes) -> None:
    assert shared(context_for("m", body=body, principal=KEYED), "user") == "acme\0key_1"
    assert shared(context_for("m", body=body, principal=KEYED), "prompt") == ""


def test_long_values_are_cut() -> None:
    assert len(value("user", {"user": "x" * 10_000})) < LOOKED + 10
    assert len(value("session", x_tollway_session="x" * 10_000)) < LOOKED + 10
