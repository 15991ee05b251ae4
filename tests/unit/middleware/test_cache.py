"""The cache link: what it looks for, what it says, what it keeps, and that no fault of its own is a request's."""

import asyncio
import gzip
import statistics
import time
from collections.abc import Sequence

import orjson
import pytest
from msgspec import structs

from proxy.cache.memory import MemoryCacheStore
from proxy.context import Principal, Target
from proxy.errors import RateLimited
from proxy.policy.caching import Cache, ExactCache, KeyCache, SemanticCache
from proxy.policy.targets import Candidate
from proxy.protocols import CacheEntry, Verdict
from proxy.wire.endpoints import CHAT, EMBEDDINGS
from proxy.wire.usage import Usage
from tests.support.asgi import Client
from tests.support.caches import (
    ALICE,
    STREAM,
    USAGE,
    FakeCacheRecords,
    FakeCacheStore,
    FakeSimilar,
    Lane,
    LiveExchange,
    answer,
    chunk,
)
from tests.support.clock import elapsed, turns, virtual
from tests.support.courses import FakeCourse, step_to
from tests.support.fakes import JSON, TARGET

Header = tuple[bytes, bytes]


class FakeMeter:
    """A stream's meter that was never needed."""

    error: RateLimited | None = None
    waiting = False

    def __init__(self) -> None:
        self.closed = 0

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""

    async def more(self) -> bytes:
        return b""

    def close(self) -> None:
        self.closed += 1


def entries(lane: Lane) -> list[CacheEntry]:
    assert isinstance(lane.store, FakeCacheStore)
    return list(lane.store.entries.values())


# ---- found again ----------------------------------------------------------------------------------------------------


async def test_the_second_time_nobody_is_asked() -> None:
    lane = Lane(LiveExchange.whole(answer()))
    first = await lane.answered()
    lane.wall.advance(7.9)
    second = await lane.answered()
    assert (first.said, second.said) == ("miss", "hit")
    assert first.client.body == second.client.body == answer()
    assert lane.sent == 1
    headers = second.client.headers
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"content-length"] == b"%d" % len(answer())
    assert headers[b"x-tollway-cache-age"] == b"7"
    assert headers[b"x-tollway-cache-key"] == first.client.headers[b"x-tollway-cache-key"]
    assert len(headers[b"x-tollway-cache-key"]) == 64
    assert (headers[b"x-tollway-provider"], headers[b"x-tollway-model"]) == (b"local", b"small")
    assert headers[b"x-tollway-attempts"] == b"0"
    assert headers[b"x-request-id"] == second.ctx.request_id.encode()
    assert b"cache;dur=" in headers[b"server-timing"]
    ctx = second.ctx
    assert ctx.cached is not None
    assert ctx.cached.served
    assert (ctx.cached.usage.input, ctx.cached.usage.output, ctx.usage.output) == (3, 2, 0)
    assert (ctx.status, ctx.outcome, ctx.complete, ctx.attempts) == (200, "ok", True, [])
    assert ctx.first_byte_at > 0
    assert first.ctx.decoded is ctx.decoded is None
    assert ctx.first_token_at == 0, "of an answer in one piece nobody knows when it began"
    assert lane.records.told == ["exact miss", "kept stored", "exact hit"]


async def test_a_stream_is_played_as_it_was() -> None:
    lane = Lane(LiveExchange(*STREAM, over=True))
    live = await lane.answered(stream=True, include_usage=True)
    again = await lane.answered(stream=True, include_usage=True)
    without = await lane.answered(stream=True)
    whole = await lane.answered()
    assert again.client.body == live.client.body == b"".join(STREAM)
    assert without.client.body == b"".join(STREAM).replace(USAGE, b"")
    assert orjson.loads(whole.client.body)["choices"][0]["message"]["content"] == "Hello"
    assert again.client.headers[b"content-type"].startswith(b"text/event-stream")
    assert b"content-length" not in again.client.headers
    assert again.ctx.first_token_at > 0
    assert again.ctx.last_token_at >= again.ctx.first_token_at
    assert again.ctx.committed
    assert len(again.client.chunks) == 1, "in few sends"


async def test_usage_is_asked_for_and_withheld_from_whom_did_not_ask() -> None:
    lane = Lane(LiveExchange(*STREAM, over=True))
    live = await lane.answered(stream=True)
    assert lane.provider.included == [True]
    assert live.client.body == b"".join(STREAM).replace(USAGE, b"")
    (entry,) = entries(lane)
    assert entry.usage_event == USAGE
    assert (await lane.answered(stream=True, include_usage=True)).client.body == b"".join(STREAM)


async def test_what_was_compressed_is_given_plain() -> None:
    headers = (*JSON, (b"content-encoding", b"gzip"))
    lane = Lane(LiveExchange.whole(gzip.compress(answer()), headers=headers))
    first, second = await lane.answered(), await lane.answered()
    assert first.client.body != answer()
    assert second.client.body == answer()
    assert b"content-encoding" not in second.client.headers
    assert second.client.headers[b"content-length"] == b"%d" % len(answer())


async def test_an_answer_of_another_target_is_under_its_makers_name() -> None:
    lane = Lane(LiveExchange.whole(answer()))
    await lane.answered()
    other = Target(provider="other", model="large", limits=TARGET.limits)
    second = await lane.answered(target=other)
    assert second.said == "hit"
    assert second.client.headers[b"x-tollway-provider"] == b"local"
    assert second.ctx.target is not None
    assert second.ctx.target.model == "small"


async def test_what_a_hit_costs_is_said() -> None:
    lane = Lane(LiveExchange.whole(answer()))
    await lane.answered()
    asked = await lane.answered(costing=lambda usage: usage.input * 1_000_000 + usage.output)
    assert asked.client.headers[b"x-tollway-cost-usd"] == b"3.000002"


async def test_the_meter_of_a_hit_is_closed() -> None:
    lane = Lane(LiveExchange.whole(answer()))
    await lane.answered()
    meter = FakeMeter()
    await lane.answered(stream=True, meter=meter)
    assert meter.closed == 1


async def test_a_stored_answer_that_cannot_be_given_in_the_form_is_a_miss() -> None:
    """No usage was reported, and now it is asked for."""
    bare = b"".join(STREAM).replace(USAGE, b"")
    lane = Lane(LiveExchange(bare, over=True), LiveExchange(*STREAM, over=True))
    await lane.answered(stream=True)
    assert (await lane.answered(stream=True)).said == "hit"
    assert (await lane.answered(stream=True, include_usage=True)).said == "miss"


@pytest.mark.parametrize(("seconds", "said"), [(59, "hit"), (61, "miss")])
async def test_an_answer_may_be_only_so_old(seconds: float, said: str) -> None:
    lane = Lane(LiveExchange.whole(answer()), LiveExchange.whole(answer()))
    await lane.answered()
    lane.wall.advance(seconds)
    assert (await lane.answered(headers=[(b"cache-control", b"max-age=60")])).said == said


async def test_what_is_stored_says_whose_it_is_and_how_long_it_is_kept() -> None:
    lane = Lane(LiveExchange.whole(answer()))
    await lane.answered(headers=[(b"x-tollway-cache-ttl", b"10m"), (b"x-tollway-tags", b"one, two")])
    (entry,) = entries(lane)
    assert entry.stored_at == lane.wall()
    assert entry.expires == lane.wall() + 600
    assert (entry.endpoint, entry.form, entry.public, entry.tenant, entry.tags) == (
        "chat",
        "json",
        "small",
        "a",
        ("one", "two"),
    )
    assert (entry.provider, entry.model, entry.usage.output) == ("local", "small", 2)


# ---- not looked for -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "fields", "said"),
    [
        ([(b"x-tollway-cache", b"off")], {}, "bypass off"),
        ([(b"cache-control", b"no-store")], {}, "bypass no_store"),
        ([], {"temperature": 1.5}, "bypass temperature"),
        ([], {"store": True}, "bypass stateful"),
    ],
)
async def test_what_is_not_looked_for_is_not_kept(
    headers: Sequence[Header], fields: dict[str, object], said: str
) -> None:
    lane = Lane(LiveExchange.whole(answer()), LiveExchange.whole(answer()))
    for _ in range(2):
        asked = await lane.answered(headers=headers, **fields)
        assert asked.said == said
        assert asked.client.body == answer()
    assert lane.sent == 2
    assert entries(lane) == []
    assert lane.records.told == 2 * ["exact bypass", f"bypassed {said.split()[1]}"]
    assert asked.ctx.decoded is None, "the prompt is not kept twice while it is answered"
    assert asked.ctx.cached is not None
    assert not asked.ctx.cached.served


async def test_a_key_without_a_cache() -> None:
    lane = Lane(LiveExchange.whole(answer()))
    asked = await lane.answered(principal=structs.replace(ALICE, cache=KeyCache(exact=False)))
    assert asked.said == "disabled key_off"
    assert lane.records.told == ["exact disabled"]


async def test_a_refresh_asks_and_stores_anew() -> None:
    lane = Lane(LiveExchange.whole(answer("old")), LiveExchange.whole(answer("new")))
    await lane.answered()
    asked = await lane.answered(headers=[(b"cache-control", b"no-cache")])
    assert asked.said.startswith("refresh")
    assert (await lane.answered()).client.body == answer("new")


async def test_a_header_that_cannot_be_read_is_refused() -> None:
    lane = Lane()
    asked = await lane.answered(headers=[(b"x-tollway-cache", b"perhaps")])
    assert asked.client.status == 400
    assert lane.sent == 0


# ---- not kept -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exchange", "reason"),
    [
        (LiveExchange.whole(b'{"error":{}}', status=400), "status"),
        (LiveExchange.whole(answer(finish="length")), None),
        (LiveExchange.whole(answer(finish="content_filter")), None),
        (LiveExchange.whole(answer("x" * 5000)), "oversize"),
        (LiveExchange.whole(b"\x1b", headers=(*JSON, (b"content-encoding", b"zstd"))), "encoding"),
    ],
    ids=["status", "length", "filter", "large", "encoding"],
)
async def test_what_is_not_kept(exchange: LiveExchange, reason: str | None) -> None:
    lane = Lane(exchange, settings=Cache(exact=ExactCache(max_entry=4096)))
    await lane.answered()
    assert entries(lane) == []
    (kept,) = [told for told in lane.records.told if told.startswith("kept ")]
    assert kept != "kept stored"
    assert reason is None or kept == f"kept {reason}"


@pytest.mark.parametrize("stream", [b"".join(STREAM[:2]), STREAM[0] + b'data: {"error":{"message":"no"}}\n\n'])
async def test_a_stream_that_broke_off_or_failed_is_not_kept(stream: bytes) -> None:
    lane = Lane(LiveExchange(stream, over=True))
    await lane.answered(stream=True)
    assert entries(lane) == []
    assert lane.caching.flights == {}


async def test_a_stream_that_does_not_say_that_it_is_done_is_not_kept() -> None:
    """The client has all of its text; whether the provider was done nobody knows."""
    lane = Lane(LiveExchange(STREAM[0], chunk("", "stop") + USAGE, over=True))
    asked = await lane.answered(stream=True, include_usage=True)
    assert asked.ctx.outcome == "ok"
    assert entries(lane) == []


@pytest.mark.parametrize(("role", "reason"), [("fallback", "fallback"), ("hedge", "fallback"), ("failover", "stored")])
async def test_the_answer_of_another_model_is_not_kept(role: str, reason: str) -> None:
    other = Target(provider="other", model="large", limits=TARGET.limits)
    lane = Lane(courses=lambda ctx: FakeCourse(step_to(), step_to(other, role=role)))
    own = (TARGET, other) if role == "failover" else (TARGET,)
    lane.route = structs.replace(lane.route, candidates=tuple(Candidate(target=each, model="small") for each in own))
    lane.upstream.give(LiveExchange.whole(b"{}", status=500))
    lane.upstream.give(LiveExchange.whole(answer()))
    asked = await lane.answered()
    assert (asked.client.body, len(asked.ctx.attempts)) == (answer(), 2)
    assert f"kept {reason}" in lane.records.told


# ---- said -----------------------------------------------------------------------------------------------------------


async def test_rfc_9211() -> None:
    lane = Lane(
        *(LiveExchange.whole(answer()) for _ in range(3)), settings=Cache(exact=ExactCache(ttl=100), status_header=True)
    )
    said = []
    for headers in ([], [], [(b"cache-control", b"no-cache")], [(b"x-tollway-cache", b"off")]):
        asked = await lane.answered(headers=headers)
        said.append(asked.client.headers[b"cache-status"])
        lane.wall.advance(40)
    assert said == [b"tollway; fwd=miss", b"tollway; hit; ttl=60", b"tollway; fwd=request", b"tollway; fwd=bypass"]
    pair = [lane.ask("other"), lane.ask("other")]
    await lane.settle()
    lane.upstream.give(LiveExchange.whole(answer()))
    await asyncio.gather(*(each.task for each in pair))
    assert pair[1].client.headers[b"cache-status"] == b"tollway; fwd=miss; collapsed"


async def test_an_error_says_what_the_cache_did_too() -> None:
    lane = Lane(RateLimited("No."))
    asked = await lane.answered()
    assert asked.client.status == 429
    assert asked.said == "miss"


# ---- at their own pace ----------------------------------------------------------------------------------------------


@virtual
async def test_a_stored_stream_may_be_paced() -> None:
    lane = Lane(settings=Cache(exact=ExactCache(pace=10.0)))
    whole = b"".join(chunk(str(n)) for n in range(30)) + STREAM[2]
    lane.upstream.give(LiveExchange(whole, over=True))
    await lane.answered(stream=True, include_usage=True)
    begun = elapsed()
    asked = await lane.answered(stream=True, include_usage=True)
    assert asked.client.body == whole
    assert asked.client.ended
    assert 3.0 <= elapsed() - begun < 3.5
    assert len(asked.client.chunks) >= 30


@virtual
async def test_who_leaves_a_paced_stream_ends_it() -> None:
    lane = Lane(LiveExchange(*STREAM, over=True), settings=Cache(exact=ExactCache(pace=0.1)))
    await lane.answered(stream=True)
    asked = lane.ask(stream=True)
    await asyncio.sleep(12)
    asked.client.leave()
    await turns()
    await asked.task
    assert elapsed() == 12.0
    assert asked.ctx.outcome == "client_closed"
    assert len(lane.telemetry.records) == 2, "each settled once"


@virtual
async def test_a_long_stored_stream_leaves_in_parts_that_a_stuck_client_ends() -> None:
    class Stuck(Client):
        async def send(self, message: object) -> None:
            await super().send(message)  # type: ignore[arg-type]
            if len(self.sent) == 2:
                await asyncio.Event().wait()

    lane = Lane(LiveExchange(chunk("x" * 600_000), *STREAM, over=True))
    await lane.answered(stream=True)
    whole = await lane.answered(stream=True)
    assert len(whole.client.chunks) == 3
    asked = await lane.answered(stream=True, client=Stuck())
    assert asked.ctx.outcome == "client_closed"
    assert elapsed() <= 60.0


# ---- faults of its own ----------------------------------------------------------------------------------------------


async def test_a_store_that_raises_is_a_miss() -> None:
    lane = Lane(LiveExchange.whole(answer()), store=FakeCacheStore(broken=ValueError("x")))
    asked = await lane.answered()
    assert asked.client.body == answer()
    assert lane.records.told == ["failed bug"]


async def test_a_bug_in_replay_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = Lane(LiveExchange.whole(answer()), LiveExchange.whole(answer()))
    await lane.answered()

    def broken(*_: object, **__: object) -> bytes:
        raise KeyError("a secret that must not be logged")

    monkeypatch.setattr("middleware.cache.played", broken)
    asked = await lane.answered()
    assert (asked.client.body, asked.said) == (answer(), "miss")
    assert "failed bug" in lane.records.told


async def test_a_bug_in_judging_costs_the_client_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> str:
        raise KeyError

    monkeypatch.setattr("proxy.cache.keeping.unfit", broken)
    lane = Lane(LiveExchange.whole(answer()))
    asked = await lane.answered()
    assert (asked.client.body, asked.ctx.outcome) == (answer(), "ok")
    assert lane.records.told == ["exact miss", "failed bug"]
    assert lane.caching.flights == {}


# ---- one that is like it --------------------------------------------------------------------------------------------


def near(kind: str, key: bytes = b"n" * 32, **more: object) -> FakeSimilar:
    return FakeSimilar(Verdict(kind=kind, key=key, **more))  # type: ignore[arg-type]


def stored(text: str) -> CacheEntry:
    return CacheEntry(
        endpoint="chat",
        form="json",
        body=answer(text),
        stored_at=1_699_999_990.0,
        expires=1_800_000_000.0,
        usage=Usage(input=3, output=2, input_source="reported", output_source="reported"),
        provider="local",
        model="small",
    )


async def test_a_semantic_hit() -> None:
    similar = near("hit", similarity=0.97, reason="")
    lane = Lane(similar=similar)
    assert isinstance(lane.store, FakeCacheStore)
    lane.store.entries[b"n" * 32] = stored("near")
    asked = await lane.answered("Hello?")
    assert asked.said == "semantic-hit"
    assert asked.client.body == answer("near")
    assert asked.client.headers[b"x-tollway-cache-similarity"] == b"0.9700"
    assert asked.client.headers[b"x-tollway-cache-age"] == b"10"
    assert asked.client.headers[b"x-tollway-cache-key"] == (b"n" * 32).hex().encode()
    assert [question.text for question in similar.asked] == ["Hello?"]
    assert lane.sent == 0
    assert lane.records.told == ["exact miss", "semantic hit"]
    assert lane.caching.flights == {}


async def test_who_follows_a_semantic_hit_has_it_too_unless_it_wants_the_very_question() -> None:
    lane = Lane(LiveExchange.whole(answer("own")), similar=near("hit", similarity=0.97))
    assert isinstance(lane.store, FakeCacheStore)
    lane.store.entries[b"n" * 32] = stored("near")
    asked = [lane.ask(), lane.ask(), lane.ask(headers=[(b"x-tollway-cache", b"exact")])]
    await asyncio.gather(*(each.task for each in asked))
    assert [each.said for each in asked] == ["semantic-hit", "semantic-hit", "miss"]
    assert len(lane.caching.similar.asked) == 1  # type: ignore[union-attr]


async def test_what_the_store_no_longer_has_is_forgotten() -> None:
    similar = near("hit", similarity=0.97)
    lane = Lane(LiveExchange.whole(answer()), similar=similar)
    asked = await lane.answered()
    assert asked.said == "miss gone"
    assert similar.forgotten == [b"n" * 32]


async def test_a_fresh_answer_is_remembered_and_a_refused_one_is_explained() -> None:
    similar = FakeSimilar(Verdict(kind="none", reason="guard", guard="numbers", similarity=0.99))
    lane = Lane(LiveExchange.whole(answer()), similar=similar)
    asked = await lane.answered("Hi there")
    assert asked.said == "miss guard"
    assert asked.client.headers[b"x-tollway-cache-guard"] == b"numbers"
    assert similar.remembered == [("Hi there", bytes.fromhex(asked.ctx.cached.key))]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["explore", "shadow"])
async def test_what_would_have_been_given_is_compared_with_the_fresh_answer(kind: str) -> None:
    similar = near(kind, similarity=0.97)
    lane = Lane(LiveExchange.whole(answer("fresh")), similar=similar)
    assert isinstance(lane.store, FakeCacheStore)
    lane.store.entries[b"n" * 32] = stored("near")
    asked = await lane.answered()
    assert asked.said == f"miss {kind}"
    assert similar.learnt == [(kind, "near", "fresh")]
    assert f"semantic {kind}" in lane.records.told


async def test_a_refresh_is_remembered_and_not_compared() -> None:
    similar = near("hit", similarity=1.0)
    lane = Lane(LiveExchange.whole(answer()), similar=similar)
    await lane.answered(headers=[(b"x-tollway-cache", b"refresh")])
    assert similar.asked == []
    assert len(similar.remembered) == 1


async def test_a_semantic_layer_that_breaks_is_a_miss() -> None:
    similar = near("hit")

    async def broken(question: object) -> Verdict:
        raise ValueError

    similar.find = broken  # type: ignore[assignment]
    lane = Lane(LiveExchange.whole(answer()), similar=similar)
    assert (await lane.answered()).said == "miss"
    assert "failed bug" in lane.records.told


async def test_without_its_setting_nothing_alike_is_looked_for() -> None:
    similar = near("hit")
    lane = Lane(
        LiveExchange.whole(answer()), similar=similar, settings=Cache(exact=ExactCache(), semantic=SemanticCache())
    )
    await lane.answered()
    assert similar.asked == []


# ---- embeddings -----------------------------------------------------------------------------------------------------


def vectors(*values: float, tokens: int) -> bytes:
    data = [{"object": "embedding", "index": at, "embedding": [value]} for at, value in enumerate(values)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return orjson.dumps({"object": "list", "data": data, "model": "small", "usage": usage})


def values_of(body: bytes) -> list[float]:
    rows = sorted(orjson.loads(body)["data"], key=lambda row: row["index"])
    assert [row["index"] for row in rows] == list(range(len(rows)))
    return [row["embedding"][0] for row in rows]


async def test_embeddings_are_kept_by_input() -> None:
    lane = Lane(LiveExchange.whole(vectors(1.0, 2.0, tokens=10)), LiveExchange.whole(vectors(3.0, tokens=4)))
    first = await lane.answered(endpoint=EMBEDDINGS, input=["a", "b"])
    partly = await lane.answered(endpoint=EMBEDDINGS, input=["b", "c", "a"])
    wholly = await lane.answered(endpoint=EMBEDDINGS, input=["c", "a"])
    single = await lane.answered(endpoint=EMBEDDINGS, input="a")
    assert [each.said for each in (first, partly, wholly, single)] == ["miss", "miss partial", "hit", "hit"]
    assert values_of(partly.client.body) == [2.0, 3.0, 1.0]
    assert orjson.loads(partly.client.body)["usage"]["prompt_tokens"] == 14
    assert values_of(wholly.client.body) == [3.0, 1.0]
    assert values_of(single.client.body) == [1.0]
    assert orjson.loads(lane.upstream.requests[1].body)["input"] == ["c"]  # type: ignore[arg-type]
    assert lane.sent == 2
    assert partly.ctx.cached is not None
    assert partly.ctx.cached.usage.input == 10
    assert len(entries(lane)) == 3
    assert {entry.form for entry in entries(lane)} == {"vector"}


async def test_vectors_of_two_models_are_never_in_one_answer() -> None:
    """Where another target could answer for the rest, or did, everything is asked for."""
    other = Target(provider="other", model="large", limits=TARGET.limits)
    both = tuple(Candidate(target=each, model="small") for each in (TARGET, other))
    makers = iter((TARGET, other, other, TARGET))
    lane = Lane(courses=lambda ctx: FakeCourse(step_to(next(makers))))
    lane.route = structs.replace(lane.route, candidates=both)
    for answer_ in (
        vectors(1.0, tokens=5),
        vectors(2.0, tokens=5),
        vectors(1.5, 2.5, tokens=9),
        vectors(1.6, 3.6, tokens=9),
    ):
        lane.upstream.give(LiveExchange.whole(answer_))
    for text in ("a", "b"):
        await lane.answered(endpoint=EMBEDDINGS, input=[text])
    joined = await lane.answered(endpoint=EMBEDDINGS, input=["a", "b"])
    assert (joined.said, values_of(joined.client.body)) == ("miss", [1.5, 2.5])
    mixed = await lane.answered(endpoint=EMBEDDINGS, input=["a", "c"])
    assert (mixed.said, values_of(mixed.client.body)) == ("miss", [1.6, 3.6])


async def test_an_error_to_the_rest_is_passed_on() -> None:
    lane = Lane(
        LiveExchange.whole(vectors(1.0, tokens=5)), LiveExchange.whole(b'{"error":{"message":"no"}}', status=400)
    )
    await lane.answered(endpoint=EMBEDDINGS, input="a")
    asked = await lane.answered(endpoint=EMBEDDINGS, input=["a", "b"])
    assert (asked.client.status, asked.client.body) == (400, b'{"error":{"message":"no"}}')


async def test_a_rest_that_is_not_what_was_asked_for_is_an_error() -> None:
    lane = Lane(LiveExchange.whole(vectors(1.0, tokens=5)), LiveExchange.whole(vectors(1.0, 2.0, tokens=5)))
    await lane.answered(endpoint=EMBEDDINGS, input="a")
    asked = await lane.answered(endpoint=EMBEDDINGS, input=["a", "b"])
    assert asked.client.status == 502
    assert len(entries(lane)) == 1


async def test_identical_embeddings_at_once_are_asked_for_once() -> None:
    lane = Lane(LiveExchange.whole(vectors(1.0, tokens=5)))
    await lane.answered(endpoint=EMBEDDINGS, input="a")
    asked = [lane.ask(endpoint=EMBEDDINGS, input=["a", "b"]) for _ in range(5)]
    await lane.settle()
    lane.upstream.give(LiveExchange.whole(vectors(2.0, tokens=5)))
    await asyncio.gather(*(each.task for each in asked))
    assert [values_of(each.client.body) for each in asked] == 5 * [[1.0, 2.0]]
    assert lane.sent == 2


# ---- its place ------------------------------------------------------------------------------------------------------


async def test_nothing_is_kept_on_the_instance() -> None:
    lane = Lane(LiveExchange.whole(answer()))
    link = lane.app(CHAT)
    before = dict(vars(link))
    lane.app = lambda endpoint: link  # type: ignore[method-assign]
    await lane.answered()
    await lane.answered()
    assert vars(link) == before


# ---- time says nothing ----------------------------------------------------------------------------------------------


def cliffs_delta(one: Sequence[float], other: Sequence[float]) -> float:
    """-1 … 1: how often a sample of the one is larger than one of the other, less the reverse."""
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    smaller = above = 0
    for _, which in ranked:
        if which:
            above += smaller
        else:
            smaller += 1
    return 2 * above / (len(one) * len(other)) - 1


async def test_what_another_tenant_has_stored_takes_no_other_time() -> None:
    """Bob asks what Alice has stored, and what nobody has: 2 x 2000 misses, in turns."""
    bob = Principal(name="bob", tenant="b", account="b", key="k2")
    records = FakeCacheRecords()
    delta = 1.0
    for _attempt in range(2):
        lane = Lane(store=MemoryCacheStore(256 << 20, lambda: 1_700_000_000.0, records))
        for n in range(2000):
            lane.upstream.give(LiveExchange.whole(answer()))
            await lane.answered(f"known {n:05}")
        samples: dict[str, list[float]] = {"known": [], "other": []}
        for n in range(2000):
            for word in ("known", "other") if n % 2 else ("other", "known"):
                lane.upstream.give(LiveExchange.whole(answer()))
                begun = time.perf_counter()
                asked = await lane.answered(f"{word} {n:05}", principal=bob)
                samples[word].append(time.perf_counter() - begun)
                assert asked.said == "miss"
        delta = cliffs_delta(samples["known"], samples["other"])
        if abs(delta) < 0.1:
            break
    assert abs(delta) < 0.1, (delta, {word: statistics.median(times) for word, times in samples.items()})


def test_cliffs_delta() -> None:
    assert cliffs_delta([1, 2, 3], [4, 5, 6]) == 1.0
    assert cliffs_delta([4, 5, 6], [1, 2, 3]) == -1.0
    assert abs(cliffs_delta(list(range(100)), list(range(100)))) < 0.02
