"""Sealed texts: found in every dialect's answers however they are cut, and known again in every form that they come back in."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.context import Attempt, Principal, RequestContext
from proxy.errors import RawHeaders
from proxy.ownership import sealed
from proxy.ownership.memory import MemoryOwners
from proxy.ownership.sealed import LONGEST, MOST, Finder, carries, sealed_in
from proxy.ownership.sealing import MOST_AN_ANSWER, SealWatch
from proxy.protocols import UpstreamRequest
from proxy.providers.gemini.signatures import SEPARATOR, extra_content, signed_id
from proxy.translation.carried import ID_MARK, MARK, public_id, seal
from tests.support.clock import FakeClock
from tests.support.fakes import FakeExchange

ONE = "ErUBCkYIARgC/IkDq3rV5+Zs0signature=="
TWO = "gAAAAABpencrypted_content-of-OpenAI"

ANSWERS = {
    "anthropic": ({"content": [{"type": "thinking", "thinking": "Hm.", "signature": ONE}]}, True),
    "anthropic, redacted": ({"content": [{"type": "redacted_thinking", "data": ONE}]}, True),
    "anthropic, streamed": ({"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": ONE}}, True),
    "responses": ({"output": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": ONE}]}, False),
    "responses, compaction": ({"output": [{"type": "compaction", "encrypted_content": ONE}]}, False),
    "gemini": ({"candidates": [{"content": {"parts": [{"functionCall": {}, "thoughtSignature": ONE}]}}]}, False),
    "gemini's chat": ({"choices": [{"message": {"extra_content": extra_content(ONE)}}]}, False),
    "bedrock": ({"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": ONE}}}, True),
    "bedrock, redacted": ({"reasoningContent": {"redactedContent": ONE}}, True),
}  # fmt: skip


def known(text: str) -> str:
    (ident,) = sealed_in(orjson.dumps({"encrypted_content": text}))
    return ident


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("form", ANSWERS)
def test_answers_of_every_dialect(form: str, spaced: bool) -> None:
    document, portable = ANSWERS[form]
    body = json.dumps(document, indent=1).encode() if spaced else orjson.dumps(document)
    assert [(each.ident, each.portable) for each in Finder().feed(body)] == [(known(ONE), portable)]


@settings(max_examples=150, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 700), max_size=12),
    forms=st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=3),
)
def test_however_an_answer_is_cut(cuts: list[int], forms: list[str]) -> None:
    text = ONE
    parts = []
    for number, form in enumerate(forms):
        text = f"{ONE[:-2]}{number}"
        parts.append(b"data: " + orjson.dumps(ANSWERS[form][0]).replace(ONE.encode(), text.encode()) + b"\n\n")
    body = b": a comment\n\n".join(parts)
    finder, at, found = Finder(), 0, []
    for cut in [*sorted(cuts), len(body)]:
        found += finder.feed(body[at:cut])
        at = max(at, cut)
    told = {known(f"{ONE[:-2]}{number}"): ANSWERS[form][1] for number, form in enumerate(forms)}
    assert sorted((each.ident, each.portable) for each in found) == sorted(told.items())


def test_a_text_without_an_end_is_not_kept_for_ever() -> None:
    finder = Finder()
    finder.feed(b'{"encrypted_content":"')
    for _ in range(LONGEST // 65_536 + 2):
        finder.feed(b"A" * 65_536)
    assert len(finder._rest) <= LONGEST


@pytest.mark.parametrize(
    "body",
    [
        {"tool": {"signature": "def read(path: str) -> bytes"}},
        {"text": 'He wrote "signature": "ErUBCkYIARgCIkDq3rV5Zs0signature" on it.'},
        {"signature": ""}, {"signature": None}, {"signature": "short"}, {"signature": {"signature": 1}},
        {"type": "image", "data": ONE}, {"designature2": ONE},
    ],
)  # fmt: skip
def test_what_is_no_sealed_text(body: object) -> None:
    assert Finder().feed(orjson.dumps(body)) == []
    assert sealed_in(orjson.dumps(body)) == []


REQUESTS = {
    "as it was": {"content": [{"type": "thinking", "thinking": "Hm.", "signature": ONE}]},
    "redacted": {"content": [{"type": "redacted_thinking", "data": ONE}]},
    "redacted, its members sorted": {"content": [{"data": ONE, "type": "redacted_thinking"}]},
    "responses": {"input": [{"type": "reasoning", "encrypted_content": ONE}]},
    "gemini": {"contents": [{"parts": [{"thoughtSignature": ONE}]}]},
    "gemini, the SDK's other case": {"contents": [{"parts": [{"thought_signature": ONE}]}]},
    "gemini's chat": {"messages": [{"tool_calls": [{"extra_content": extra_content(ONE)}]}]},
    "gemini's chat, in the id": {"messages": [{"tool_calls": [{"id": signed_id("call_1", ONE)}]}]},
    "packed into Anthropic's": {"content": [{"type": "thinking", "signature": seal({"extra_content": extra_content(ONE)})}]},
    "packed into the responses'": {"input": [{"encrypted_content": seal({"thinking_blocks": [{"signature": ONE}]})}]},
    "packed into an id": {"content": [{"type": "tool_use", "id": public_id("call_1", extra_content(ONE), strict=True)}]},
}  # fmt: skip


@pytest.mark.parametrize("form", REQUESTS)
def test_requests_of_every_dialect(form: str) -> None:
    for body in (orjson.dumps(REQUESTS[form]), json.dumps(REQUESTS[form], indent=2).encode()):
        assert carries(body)
        assert sealed_in(body) == [known(ONE)]


def test_the_gateways_own_marks_are_those_of_the_translation() -> None:
    assert sealed.PACKED.decode() == MARK
    assert [mark.decode() for mark in sealed.IN_IDS] == [ID_MARK, SEPARATOR]


@pytest.mark.parametrize(
    "alike",
    [ONE.rstrip("="), ONE.translate(str.maketrans("+/", "-_")), ONE.replace("=", "\\u003d"), ONE.replace("/", "\\/")],
)
def test_one_text_in_other_letters(alike: str) -> None:
    assert sealed_in(b'{"encrypted_content":"' + alike.encode() + b'"}') == [known(ONE)]
    assert known(ONE) != known(ONE.lower())


def test_of_very_many_the_latest_count() -> None:
    texts = [f"{TWO}{number}" for number in range(MOST + 10)]
    found = sealed_in(orjson.dumps([{"encrypted_content": text} for text in texts]))
    assert (len(found), found[0], found[-1]) == (MOST, known(texts[10]), known(texts[-1]))


@pytest.mark.parametrize(
    "bad", [b"tollway1.", b"tollway1.????", b"tollway1." + b"A" * 101, b"tollway1.\\ud800AAAAAAAAAAAAAAAA"]
)
def test_damaged_packages_are_nothing(bad: bytes) -> None:
    assert sealed_in(b'{"signature":"' + bad + b'"}') == []


# ---- the filter -----------------------------------------------------------------------------------------------------


async def relayed(body: bytes, *, kind: bytes = b"text/event-stream", status: int = 200) -> tuple[MemoryOwners, bytes]:
    owners = MemoryOwners(enforced=lambda: True, wall=FakeClock())
    ctx = RequestContext(request_id="r", principal=Principal(name="app", tenant="app"))
    watch = SealWatch(ctx, owners=owners, account="app", inflate=lambda encoding: None)
    ctx.attempts.append(Attempt(provider="claude", model="m", started=0.0, key=1))
    headers: RawHeaders = ((b"content-type", kind),)
    request = UpstreamRequest(method="POST", url="http://up.test", headers=[], body=b"")

    async def again(request: UpstreamRequest) -> FakeExchange:
        raise AssertionError

    inner = FakeExchange(body, status=status, headers=headers)
    exchange = await watch(request, inner, again)
    parts = []
    while not exchange.ended:
        parts.append(await exchange.read())
    exchange.release()
    return owners, b"".join(parts)


async def test_what_an_answer_seals_is_remembered_with_its_place() -> None:
    body = orjson.dumps({"content": [{"signature": ONE}, {"encrypted_content": TWO}]})
    owners, passed = await relayed(body, kind=b"application/json")
    assert passed == body
    found = [each.place if each is not None else None for each in await owners.owners([known(ONE), known(TWO)])]
    assert found == ["claude", "claude#1"]


@pytest.mark.parametrize(("kind", "status"), [(b"audio/mpeg", 200), (b"application/json", 400)])
async def test_other_answers_are_not_looked_at(kind: bytes, status: int) -> None:
    owners, _ = await relayed(orjson.dumps({"signature": ONE}), kind=kind, status=status)
    assert len(owners) == 0


async def test_an_answer_cannot_fill_the_memory() -> None:
    body = orjson.dumps([{"encrypted_content": f"{TWO}{number}"} for number in range(MOST_AN_ANSWER + 500)])
    owners, passed = await relayed(body)
    assert (len(owners), passed) == (MOST_AN_ANSWER, body)
