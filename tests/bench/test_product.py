"""The whole product in process is what it says: limits decide, the cache looks, misses, and has, and streams are metered."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest

from proxy.context import Message

from . import links
from . import product as module
from .chain import REPLY, scope_for
from .instructions import Instructions, NotCounted
from .product import CASES, SENTENCES, Client, Product, body_of


@pytest.fixture
async def product() -> AsyncIterator[Product]:
    made = await Product.made()
    yield made
    await made.close()


async def headers_of(product: Product, body: bytes) -> dict[bytes, bytes]:
    """Of one answer of the whole product."""
    found: dict[bytes, bytes] = {}
    client = Client(body)

    async def send(message: Message) -> None:
        found.update(message.get("headers", ()))
        await client.send(message)

    await product.whole(scope_for(body), client.receive, send)
    assert client.status == 200
    return found


@pytest.mark.parametrize("case", CASES)
async def test_every_case_is_answered(product: Product, case: str) -> None:
    await product.work(CASES[case], 2)()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_everything_is_on(product: Product) -> None:
    await product.work(CASES["miss"], 1)()
    body = body_of(CASES["miss"])
    first, second = await headers_of(product, body), await headers_of(product, body)
    assert (first[b"x-tollway-cache"], second[b"x-tollway-cache"]) == (b"miss", b"hit")
    for headers in (first, second):
        assert int(headers[b"x-ratelimit-limit-requests"]) == module.FAR.rpm
        assert int(headers[b"x-ratelimit-limit-tokens"]) == module.FAR.tpm


@pytest.mark.parametrize("kilobytes", SENTENCES)
def test_bodies_have_their_size(kilobytes: int) -> None:
    assert len(body_of(module.Case(size=kilobytes))) == pytest.approx(kilobytes * 1024, rel=0.1)


async def test_misses_are_all_different(product: Product) -> None:
    seen = []
    product.whole = lambda scope, receive, send: remember(receive, send)  # type: ignore[assignment]

    async def remember(receive: object, send: object) -> None:
        seen.append((await receive())["body"])  # type: ignore[operator]
        await send({"type": "http.response.start", "status": 200})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": REPLY})  # type: ignore[operator]

    await product.work(CASES["miss"], 3)()
    assert len(set(seen)) == 3
    assert len({len(body) for body in seen}) == 1


def test_it_runs_as_a_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["product", "--rounds", "1", "--count", "5", "--only", "hit"])
    monkeypatch.setattr(module, "collect_as_served", lambda: None)
    module.main()
    assert capsys.readouterr().out.startswith("hit ")


async def test_the_links_add_up() -> None:
    found = await links.measure(rounds=1, count=5, instructions=None)
    assert list(found)[:2] == ["harness", "edge"]
    assert list(found)[-3:] == ["streaming", "cache, a miss", "all"]
    assert found["all"].micros == pytest.approx(sum(each.micros for name, each in found.items() if name != "all"))


def test_instructions_are_counted_where_the_kernel_lets_us() -> None:
    try:
        counter = Instructions()
    except NotCounted as error:
        assert str(error)  # noqa: PT017 - nothing to count with
        return
    try:
        few, many = (spent(counter, turns) for turns in (1000, 100_000))
    finally:
        counter.close()
    assert many > 20 * few


def spent(counter: Instructions, turns: int) -> int:
    """Instructions of a loop."""
    before = counter.read()
    for _ in range(turns):
        pass
    return counter.read() - before


def test_a_kernel_that_refuses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench.instructions.SYSCALL", {})
    with pytest.raises(NotCounted, match="no counter of instructions on"):
        Instructions()
