"""Hints: alike for prompts that begin alike, of one tenant, in every process; and when affinity matters at all."""

import subprocess
import sys

import orjson
import pytest

from proxy.affinity.hints import PREFIX, prompt_hint
from proxy.affinity.needed import needed
from proxy.config import Config, Secret
from proxy.config.traffic import Provider
from proxy.context import Principal, RequestContext

SYSTEM = {"role": "system", "content": "You are careful. " * 100}


def hint(body: object, *, tenant: str = "acme") -> str:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return prompt_hint(RequestContext(request_id="r", body=data, principal=Principal(name=tenant, tenant=tenant)))


def chat(text: str, **members: object) -> dict[str, object]:
    return {"model": "small", **members, "messages": [SYSTEM, {"role": "user", "content": text}]}


def test_what_follows_the_beginning_does_not_count() -> None:
    assert hint(chat("one")) == hint(chat("two", temperature=0.5)) != ""


@pytest.mark.parametrize("name", ["messages", "input", "instructions", "system", "contents"])
def test_another_beginning_is_another_hint(name: str) -> None:
    assert hint({"model": "small", name: "a" * 10}) != hint({"model": "small", name: "b" * 10})
    assert hint({"model": "small", name: "a" * PREFIX + "x"}) == hint({"model": "small", name: "a" * PREFIX + "y"})


def test_tenants_do_not_share() -> None:
    assert hint(chat("one")) != hint(chat("one"), tenant="blue")


def test_the_clients_own_key_goes_before_the_prompt() -> None:
    one = hint({"messages": "a", "prompt_cache_key": "k1"})
    assert one == hint(b'{"prompt_cache_key" : "k1", "messages": "b"}')
    assert one != hint({"messages": "a", "prompt_cache_key": "k2"})
    assert hint({"messages": "a", "prompt_cache_key": None}) != hint({"messages": "b", "prompt_cache_key": None})


@pytest.mark.parametrize("body", [b"", b"{}", b'{"model":"small"}', b"\x00\xff not JSON"])
def test_without_a_prompt_there_is_none(body: bytes) -> None:
    assert hint(body) == ""


def test_it_is_the_same_in_another_process() -> None:
    code = (
        "from proxy.affinity.hints import prompt_hint as h; from proxy.context import *;"
        "print(h(RequestContext(request_id='r', body=b'{\"messages\":\"a\"}', principal=Principal(name='t', tenant='t'))))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60)
    assert said.stdout.strip() == hint(b'{"messages":"a"}', tenant="t")


def provider(*keys: str) -> Provider:
    return Provider(use="openai", api_keys=tuple(Secret(key) for key in keys))


@pytest.mark.parametrize(
    ("providers", "matters"),
    [
        ({"one": provider()}, False),
        ({"one": provider("a")}, False),
        ({"one": provider("a", "b")}, True),
        ({"one": provider(), "two": provider()}, True),
        ({}, False),
    ],
)
def test_affinity_is_needed_where_there_are_several_places(providers: dict[str, Provider], matters: bool) -> None:
    assert needed(Config(providers=providers)) is matters
