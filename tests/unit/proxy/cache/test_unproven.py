"""Long streams: what their ends say is judged at once, their middle before anybody is given it, and then once."""

from collections.abc import Sequence

import pytest

from proxy.cache import unproven
from proxy.cache.unproven import LONG, Unproven
from proxy.protocols import CacheEntry
from tests.support.caches import DONE, STREAM, FakeCacheStore, Lane, LiveExchange, chunk

WORDS = tuple(chunk(f" word{index}") for index in range(200))
LATE = b'data: {"error":{"message":"x"},"choices":[]}\n\n'
"""What makes an answer unfit wherever it stands; the relay, which looks at the last events, knows of it there alone."""

END = STREAM[-1]


def long_stream(*, middle: Sequence[bytes] = (), end: bytes = END) -> LiveExchange:
    return LiveExchange(*WORDS[:100], *middle, *WORDS[100:], end, over=True)


def only_entry(lane: Lane) -> CacheEntry:
    assert isinstance(lane.store, FakeCacheStore)
    (entry,) = lane.store.entries.values()
    return entry


async def test_what_is_fit_is_a_hit_and_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[int] = []
    unfit = unproven.unfit

    def noted(endpoint: str, form: str, body: bytes, *, tools: bool) -> str:
        judged.append(len(body))
        return unfit(endpoint, form, body, tools=tools)  # type: ignore[arg-type]

    monkeypatch.setattr(unproven, "unfit", noted)
    lane = Lane(long_stream())
    first = await lane.answered(stream=True)
    entry = only_entry(lane)
    assert isinstance(entry, Unproven)
    assert len(entry.body) > LONG
    assert all(size < 2000 for size in judged), "its ends"
    said = [(await lane.answered(stream=True)).said for _ in range(3)]
    assert (first.said, *said) == ("miss", "hit", "hit", "hit")
    assert [size for size in judged if size > LONG] == [len(entry.body)]
    assert lane.sent == 1


async def test_what_has_an_error_in_its_middle_is_never_given() -> None:
    lane = Lane(long_stream(middle=[LATE]), long_stream(middle=[LATE]), long_stream())
    said = [(await lane.answered(stream=True)).said for _ in range(4)]
    assert said == ["miss", "miss", "miss", "hit"]
    assert lane.sent == 3, "the third was fit"


async def test_nor_in_the_other_form() -> None:
    lane = Lane(long_stream(middle=[LATE]), long_stream())
    await lane.answered(stream=True)
    assert (await lane.answered(stream=False)).said == "miss"


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (chunk("", "length") + DONE, "length"),
        (chunk("", "content_filter") + DONE, "content_filter"),
        (chunk("", "tool_calls") + DONE, "tools"),
    ],
)
async def test_what_its_end_says_is_said_at_once(end: bytes, why: str) -> None:
    lane = Lane(long_stream(end=end))
    await lane.answered(stream=True)
    assert isinstance(lane.store, FakeCacheStore)
    assert not lane.store.entries
    assert f"kept {why}" in lane.records.told


async def test_a_choice_that_ended_early_is_looked_for_in_all_of_it() -> None:
    """Its end is in the middle, so the ends alone look cut."""
    other = b'"index":1'
    early = [chunk("a").replace(b'"index":0', other), chunk("", "stop").replace(b'"index":0', other)]
    lane = Lane(LiveExchange(early[0], *WORDS[:100], early[1], *WORDS[100:], END, over=True))
    await lane.answered(stream=True)
    assert type(only_entry(lane)) is CacheEntry


async def test_a_short_one_is_judged_at_once() -> None:
    lane = Lane(LiveExchange(*WORDS[:4], LATE, *WORDS[4:8], END, over=True))
    await lane.answered(stream=True)
    assert "kept error" in lane.records.told


async def test_a_store_that_others_read_is_given_what_was_judged() -> None:
    lane = Lane(long_stream(middle=[LATE]), remote=True)
    await lane.answered(stream=True)
    await lane.settle()
    assert "kept error" in lane.records.told
