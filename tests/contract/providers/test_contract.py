"""Every provider of the registry by its fixtures: what is sent, what comes back whole, streamed and cut anywhere, and that both agree."""

from typing import Any

import orjson
import pytest

from proxy.errors import TollwayError
from proxy.providers import PROVIDERS
from proxy.translation.composed import Composed

from . import driver
from .cases import FIXTURES, Case, cases
from .driver import Outcome

CASES = cases()
CHATS = [case for case in CASES if case.path == "/chat/completions"]


def named(*wanted: Case) -> list[Any]:
    return [pytest.param(case, id=case.label) for case in wanted]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_has_cases(provider: str) -> None:
    own = [case for case in CASES if case.provider == provider]
    assert own, f"tests/contract/providers/fixtures/{provider}/ has no case"
    assert any(case.sent is not None for case in own)
    assert any(case.reply is not None for case in own)


def test_every_folder_is_a_providers() -> None:
    assert {path.name for path in FIXTURES.iterdir()} <= set(PROVIDERS)


# ---- there --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", named(*[case for case in CASES if case.sent is not None]))
def test_what_is_sent(case: Case) -> None:
    assert case.sent is not None
    asked = driver.ask(case)
    assert driver.golden_url(case) == case.sent["path"]
    headers = dict(asked.request.headers)
    assert {name: headers.get(name.lower()) for name in case.sent["headers"]} == case.sent["headers"]
    body = asked.request.body
    assert isinstance(body, bytes)
    assert orjson.loads(body) == case.sent["body"]


@pytest.mark.parametrize("case", named(*[case for case in CASES if case.sent is not None]))
def test_bytes_that_need_no_edit_are_the_clients_own(case: Case) -> None:
    """Where provider and client speak the same dialect and nothing is due, spaces and order stay."""
    assert case.sent is not None
    if case.sent["body"] != case.body:
        return
    account = driver.account(case)
    if not account.passes(driver.endpoint_of(case.path), case.model, case.path):
        return
    spaced = orjson.dumps(case.body, option=orjson.OPT_INDENT_2)
    ctx = driver.context(case.path, spaced, case.headers)
    prepared = account.prepare(ctx, driver.target(case), include_usage=False, now=driver.NOW)
    assert prepared.request.body == spaced


@pytest.mark.parametrize(
    "case", named(*[case for case in CASES if "dropped" in case.expect or "rewritten" in case.expect])
)
def test_what_is_told_about_the_request(case: Case) -> None:
    try:
        ctx = driver.ask(case).ctx
    except TollwayError:
        assert case.expect.get("error") is not None
        return
    if "dropped" in case.expect:
        assert sorted(ctx.dropped) == sorted(case.expect["dropped"])
    if "rewritten" in case.expect:
        assert sorted(ctx.rewritten) == sorted(case.expect["rewritten"])


@pytest.mark.parametrize("case", named(*[case for case in CASES if case.reply is None and case.stream is None]))
def test_requests_without_an_answer(case: Case) -> None:
    """They are refused here, in the words that the case expects, or they are only about what is sent."""
    error = case.expect.get("error")
    if error is None:
        assert case.sent is not None
        return
    with pytest.raises(TollwayError) as raised:
        driver.ask(case)
    check_error(driver.told(raised.value), error)


# ---- back ---------------------------------------------------------------------------------------------------------------
def check_error(found: driver.Told | None, expected: dict[str, Any]) -> None:
    assert found is not None, "an error was expected"
    for name in ("status", "type", "code", "retry_after"):
        if name in expected:
            assert (name, getattr(found, name)) == (name, expected[name])
    if "message_contains" in expected:
        assert expected["message_contains"] in found.message


def check(outcome: Outcome, expect: dict[str, Any]) -> None:
    """Every member that the case lists."""
    expected_error = expect.get("error")
    if expected_error is not None:
        check_error(outcome.error, expected_error)
    else:
        assert outcome.error is None
    document = outcome.document
    message = driver.message_of(document)
    if "content" in expect:
        assert (message.get("content") or "") == (expect["content"] or "")
    if "reasoning" in expect:
        assert (message.get("reasoning_content") or "") == (expect["reasoning"] or "")
    if "tool_calls" in expect:
        assert driver.calls_of(document) == [
            {"name": call["name"], "arguments": call["arguments"]} for call in expect["tool_calls"] or []
        ]
    if "finish_reason" in expect:
        assert driver.finish_of(document) == expect["finish_reason"]
    if "usage" in expect:
        usage = (document or {}).get("usage")
        if expect["usage"] is None:
            assert usage is None
        else:
            assert isinstance(usage, dict)
            assert within(expect["usage"], usage) == expect["usage"]


def within(expected: Any, found: Any) -> Any:
    """``found`` reduced to the members that ``expected`` lists."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return {name: within(value, found.get(name)) for name, value in expected.items()}
    return found


@pytest.mark.parametrize("case", named(*[case for case in CASES if case.reply is not None]))
def test_a_whole_answer(case: Case) -> None:
    assert case.reply is not None
    outcome = driver.whole(case.reply, driver.ask(case).translation)
    check(outcome, case.expect)
    if driver.ask(case).translation is None:
        assert outcome.data == case.reply.data or outcome.error is not None


@pytest.mark.parametrize("case", named(*[case for case in CHATS if case.stream is not None]))
def test_a_stream(case: Case) -> None:
    assert case.stream is not None
    outcome = driver.streamed(case.stream, driver.ask(case, body=driver.streaming(case.body)))
    check(outcome, case.expect)
    if outcome.error is None:
        assert outcome.data.rstrip().endswith(b"data: [DONE]")


@pytest.mark.parametrize(
    "case", named(*[case for case in CHATS if case.stream is not None and case.stream.status < 300])
)
def test_a_stream_cut_anywhere(case: Case) -> None:
    """One cut at every byte, and a piece for every byte: the same answer, the same error."""
    assert case.stream is not None
    body = driver.streaming(case.body)
    data = case.stream.data
    # One translation for all cuts: each stream of it stands for itself.
    asked = driver.ask(case, body=body)
    expected = driver.streamed(case.stream, driver.ask(case, body=body))
    if asked.translation is None or case.stream.kind == "application/json":
        return
    for pieces in (*driver.cuts(data), driver.bytewise(data)):
        out, error = driver.fed(asked.translation.stream(), pieces)
        if out != expected.data:
            assert driver.read_chat(out) == expected.document, f"cut at {len(pieces[0])}"
        assert (driver.told(error) if error is not None else None) == expected.error, f"cut at {len(pieces[0])}"


# ---- both forms ---------------------------------------------------------------------------------------------------------
APART = ("id", "created", "object")
"""Members of an answer that differ between two answers to the same question."""

OURS = ("content", "refusal", "reasoning_content", "reasoning", "tool_calls", "annotations", "audio")
"""Members of a message that a provider of the same dialect sends alike in both forms; what else it adds is its own affair."""

COUNTED = ("prompt_tokens", "completion_tokens", "total_tokens")


def comparable(document: dict[str, Any] | None) -> dict[str, Any]:
    """An answer without what differs by nature (ids, times) and without members that say nothing."""
    assert document is not None
    found = {name: value for name, value in document.items() if name not in APART and value is not None}
    found["choices"] = [comparable_choice(choice) for choice in found.get("choices", [])]
    return found


def comparable_choice(choice: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in choice.items() if value is not None}
    message = {name: value for name, value in choice["message"].items() if value is not None and name != "role"}
    if not message.get("content"):
        message.pop("content", None)
    if message.get("tool_calls"):
        message["tool_calls"] = [comparable_call(call) for call in message["tool_calls"]]
    return {**found, "message": message}


def comparable_call(call: dict[str, Any]) -> dict[str, Any]:
    """Arguments by value: spaces in them mean nothing."""
    function = call["function"]
    arguments = function["arguments"]
    parsed = orjson.loads(arguments) if arguments else {}
    rest = {name: value for name, value in call.items() if name not in ("id", "index")}
    return {**rest, "function": {**function, "arguments": parsed}}


def of_the_dialect(document: dict[str, Any]) -> dict[str, Any]:
    """What the dialect itself has, of a comparable answer."""
    return {
        "choices": [
            {
                "index": choice["index"],
                "finish_reason": choice.get("finish_reason"),
                "message": {name: choice["message"][name] for name in OURS if choice["message"].get(name)},
            }
            for choice in document["choices"]
        ],
        "usage": {name: document["usage"][name] for name in COUNTED} if document.get("usage") else None,
    }


def check_alike(stream: dict[str, Any] | None, whole: dict[str, Any] | None, *, translated: bool) -> None:
    """Member by member where we made both. Where bytes pass, what the provider adds to one form is not ours to copy into the
    other, and its usage counts only where both fixtures report one."""
    one, other = comparable(stream), comparable(whole)
    if not translated:
        one, other = of_the_dialect(one), of_the_dialect(other)
        if one["usage"] is None or other["usage"] is None:
            one["usage"] = other["usage"] = None
    assert one == other


def translated(asked: driver.Asked) -> bool:
    """Do we write every byte of the answer?"""
    return isinstance(asked.translation, Composed)


def both_forms(case: Case) -> bool:
    return (
        case.reply is not None
        and case.stream is not None
        and case.reply.status < 300
        and case.stream.status < 300
        and case.expect.get("error") is None
    )


@pytest.mark.parametrize("case", named(*[case for case in CHATS if both_forms(case)]))
def test_a_stream_folded_together_is_the_whole_answer(case: Case) -> None:
    assert case.reply is not None
    assert case.stream is not None
    asked = driver.ask(case, body=driver.streaming(case.body))
    whole = driver.whole(case.reply, driver.ask(case).translation)
    stream = driver.streamed(case.stream, asked)
    check_alike(stream.document, whole.document, translated=translated(asked))


@pytest.mark.parametrize("case", named(*[case for case in CHATS if case.reply is not None and case.reply.status < 300]))
def test_a_whole_answer_where_a_stream_was_asked_for(case: Case) -> None:
    assert case.reply is not None
    translation = driver.ask(case, body=driver.streaming(case.body)).translation
    if translation is None:
        return
    try:
        data = translation.unfold(case.reply.data)
    except TollwayError as error:
        check_error(driver.told(error), case.expect["error"])
        return
    assert comparable(driver.read_chat(data)) == comparable(
        driver.whole(case.reply, driver.ask(case).translation).document
    )


@pytest.mark.parametrize(
    "case", named(*[case for case in CHATS if case.stream is not None and case.stream.status < 300])
)
def test_the_chunks_are_openais(case: Case) -> None:
    """One id, the role first and once, dense tool indices, one finish for each choice, usage last, by itself."""
    assert case.stream is not None
    asked = driver.ask(case, body=driver.streaming(case.body))
    if not translated(asked):
        return
    outcome = driver.streamed(case.stream, asked)
    found: Any = driver.chunks(outcome.data)
    assert len({chunk["id"] for chunk in found}) <= 1
    finished: set[int] = set()
    known: dict[int, set[int]] = {}
    for at, chunk in enumerate(found):
        assert chunk["object"] == "chat.completion.chunk"
        if chunk.get("usage") is not None:
            assert at == len(found) - 1
            assert chunk["choices"] == []
        for choice in chunk["choices"]:
            index, delta = choice["index"], choice["delta"]
            assert index not in finished
            assert ("role" in delta) == (index not in known), "the role comes first and once"
            calls = known.setdefault(index, set())
            for call in delta.get("tool_calls") or []:
                if call["index"] not in calls:
                    assert call["index"] == len(calls)
                    assert call["id"]
                    assert call["function"]["name"]
                    calls.add(call["index"])
            if choice.get("finish_reason") is not None:
                finished.add(index)
    if outcome.error is None:
        assert finished == set(known) != set()
