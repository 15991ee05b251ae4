"""Gemini's answers, whole and streamed."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UpstreamCut, UpstreamError, UpstreamInvalid
from proxy.providers.gemini.dialect import Gemini
from proxy.providers.gemini.signatures import parted_id
from proxy.providers.gemini.usage import usage_of
from proxy.translation.completion import fold
from proxy.translation.contract import ChatDialect
from proxy.wire.values import Json, JsonObject
from tests.unit.proxy.providers.gemini.asking import LEVEL, ask, decode, encode, events, finish, frame, message

DIALECT: ChatDialect = Gemini()
USAGE: JsonObject = {"promptTokenCount": 12, "candidatesTokenCount": 5, "totalTokenCount": 17}


def stream(data: bytes, cut: int = 0) -> tuple[list[JsonObject], UpstreamError | None]:
    """Chunks and error of a stream that comes in two pieces."""
    decoder = DIALECT.decoder(ask())
    chunks = [*decoder.feed(data[:cut]), *decoder.feed(data[cut:])] if cut else [*decoder.feed(data)]
    chunks += decoder.close()
    assert decoder.error is None or isinstance(decoder.error, UpstreamError)
    return chunks, decoder.error


def call(name: str = "f", args: Json = None, **more: Json) -> JsonObject:
    return {"functionCall": {"name": name, **({} if args is None else {"args": args})}, **more}


# ---- whole answers --------------------------------------------------------------------------------------------------
def test_text_thoughts_usage_model_and_id() -> None:
    document = frame({"text": "plan", "thought": True}, {"text": "An"}, {"text": "swer"}, finish="STOP")
    document["usageMetadata"] = {
        "promptTokenCount": 12,
        "toolUsePromptTokenCount": 3,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 40,
        "cachedContentTokenCount": 8,
        "totalTokenCount": 60,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 2}, {"modality": "TEXT", "tokenCount": 10}],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 4}],
    }
    assert decode(document) == {
        "id": "chatcmpl-r1",
        "object": "chat.completion",
        "created": 7,
        "model": "gemini-real",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Answer", "refusal": None, "reasoning_content": "plan"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 15,
            "completion_tokens": 45,
            "total_tokens": 60,
            "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 40, "image_tokens": 4},
        },
    }


def test_no_id_and_no_model_in_the_answer() -> None:
    answer = decode({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]})
    assert (answer["id"], answer["model"]) == ("chatcmpl-0123abcd", "gemini-2.5-flash")
    assert "usage" not in answer


@pytest.mark.parametrize("content", [None, {}, {"role": "model"}, {"parts": []}, "missing"])
@pytest.mark.parametrize(("native", "reason"), [("SAFETY", "content_filter"), ("MAX_TOKENS", "length")])
def test_answers_without_content(content: Json, native: str, reason: str) -> None:
    candidate: JsonObject = {"finishReason": native}
    if content != "missing":
        candidate["content"] = content
    answer = decode({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 3, "thoughtsTokenCount": 9}})
    assert message(answer) == {"role": "assistant", "content": "", "refusal": None}
    assert finish(answer) == reason
    assert answer["usage"]["completion_tokens"] == 9  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        *((word, "content_filter") for word in ("RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
           "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "ESCALATION", "MODEL_ARMOR", "LANGUAGE")),
        ("OTHER", "stop"),
        ("SOMETHING_NEW", "stop"),
        ("MALFORMED_FUNCTION_CALL", "stop"),
    ],
)  # fmt: skip
def test_finish_reasons(native: str, reason: str) -> None:
    answer = decode(frame({"text": "x"}, finish=native))
    assert finish(answer) == reason
    kept = answer["choices"][0].get("native_finish_reason")  # type: ignore[index, call-overload, union-attr]
    assert kept == (None if native == "STOP" else native)


@pytest.mark.parametrize("native", ["MALFORMED_FUNCTION_CALL", "MISSING_THOUGHT_SIGNATURE", "TOO_MANY_TOOL_CALLS"])
def test_a_failure_before_any_content_can_be_tried_again(native: str) -> None:
    document = frame(finish=native, finishMessage="Malformed function call: f(")
    with pytest.raises(UpstreamInvalid, match=f"{native}: Malformed") as caught:
        decode(document)
    assert caught.value.retryable
    _, error = stream(events([document]))
    assert error is not None
    assert error.message == caught.value.message


def test_a_blocked_prompt_is_a_refusal() -> None:
    document: JsonObject = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
        "modelVersion": "gemini-real",
    }
    answer = decode(document)
    assert finish(answer) == "content_filter"
    assert message(answer)["content"] == ""
    assert message(answer)["refusal"] == "The prompt was blocked by the provider: PROHIBITED_CONTENT."
    assert answer["usage"]["prompt_tokens"] == 9  # type: ignore[index, call-overload]
    assert fold(stream(events([document]))[0]) == answer


def test_parallel_calls_without_ids_get_unique_ones() -> None:
    answer = decode(frame(call("f", {"a": 1}), call("f", {"a": 1}), call("g"), finish="STOP"))
    calls = message(answer)["tool_calls"]
    assert calls == [
        {"id": "call_0123abcd_0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "call_0123abcd_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "call_0123abcd_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert message(answer)["content"] is None
    assert finish(answer) == "tool_calls"


def test_ids_are_the_providers_where_it_gives_them_and_unique_even_if_it_repeats_itself() -> None:
    parts: list[Json] = [{"functionCall": {"id": "n1", "name": "f", "args": {}}} for _ in range(2)]
    calls = message(decode(frame(*parts, finish="STOP")))["tool_calls"]
    assert [found["id"] for found in calls] == ["n1", "call_0123abcd_1"]  # type: ignore[index, union-attr, call-overload]


def test_calls_of_several_choices_have_different_ids() -> None:
    both = {
        "candidates": [{"content": {"parts": [call()]}, "finishReason": "STOP", "index": index} for index in (0, 1)]
    }
    answer = decode(both)
    ids = [message(answer, index)["tool_calls"][0]["id"] for index in (0, 1)]  # type: ignore[index, call-overload]
    assert len(set(map(str, ids))) == 2


def test_a_calls_signature_comes_twice() -> None:
    first = message(decode(frame(call(thoughtSignature="QUJD"), call(), finish="STOP")))["tool_calls"]
    assert first[0]["extra_content"] == {"google": {"thought_signature": "QUJD"}}  # type: ignore[index, call-overload]
    assert parted_id(str(first[0]["id"])) == ("call_0123abcd_0", "QUJD")  # type: ignore[index, call-overload]
    assert "extra_content" not in first[1]  # type: ignore[index, operator]


def test_a_texts_signature_is_the_messages_last_one_wins() -> None:
    said = message(
        decode(
            frame({"text": "a", "thoughtSignature": "QQ=="}, {"text": "", "thoughtSignature": "Qg=="}, finish="STOP")
        )
    )
    assert said["extra_content"] == {"google": {"thought_signature": "Qg=="}}
    assert said["content"] == "a"


def test_images_sound_and_what_chat_has_no_word_for() -> None:
    code: JsonObject = {"executableCode": {"language": "PYTHON", "code": "1"}}
    said = message(
        decode(
            frame(
                {"text": "see"},
                code,
                {"inlineData": {"mimeType": "image/png", "data": "iVBO"}, "thoughtSignature": "QUJD"},
                {"inlineData": {"mimeType": "image/png", "data": "draft"}, "thought": True},
                {"inlineData": {"mimeType": "audio/L16", "data": "AAA="}},
                {"inlineData": {"mimeType": "audio/L16", "data": "AQE="}},
                {},
                finish="STOP",
            )
        )
    )
    assert said["images"] == [
        {
            "type": "image_url",
            "image_url": {"url": "data:image/png;base64,iVBO"},
            "extra_content": {"google": {"thought_signature": "QUJD"}},
        }
    ]
    assert said["provider_blocks"][0] == {"type": "gemini", "index": 1, "block": code}  # type: ignore[index, call-overload]
    assert len(said["provider_blocks"]) == 2  # type: ignore[arg-type]
    assert said["audio"] == {"id": "audio_r1", "data": "AAABAQ==", "mime_type": "audio/L16"}


def test_grounding_is_cited_by_characters() -> None:
    grounding: JsonObject = {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"web": {"uri": "https://b.example"}}],
        "groundingSupports": [{"segment": {"startIndex": 3, "endIndex": 7}, "groundingChunkIndices": [0, 9, "x"]}],
    }
    said = message(decode(frame({"text": "é fünf"}, finish="STOP", groundingMetadata=grounding)))
    assert said["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {"url": "https://a.example", "title": "A", "start_index": 2, "end_index": 5},
        },
        {
            "type": "url_citation",
            "url_citation": {"url": "https://b.example", "title": "", "start_index": 0, "end_index": 0},
        },
    ]
    assert said["provider_blocks"][0]["block"] == {"groundingMetadata": grounding}  # type: ignore[index, call-overload]


def test_logprobs() -> None:
    result: JsonObject = {
        "chosenCandidates": [{"token": "é", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "é", "logProbability": -0.5}, {"token": "b"}]}],
    }
    answer = decode(frame({"text": "é"}, finish="STOP", logprobsResult=result))
    assert answer["choices"][0]["logprobs"] == {  # type: ignore[index, call-overload]
        "content": [
            {
                "token": "é",
                "logprob": -0.5,
                "bytes": [195, 169],
                "top_logprobs": [
                    {"token": "é", "logprob": -0.5, "bytes": [195, 169]},
                    {"token": "b", "logprob": 0.0, "bytes": [98]},
                ],
            }
        ]
    }


def test_an_answer_goes_back_as_the_parts_it_came_in() -> None:
    parts: list[Json] = [
        {"text": "plan", "thought": True},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"toolCall": {"id": "s1", "toolType": "GOOGLE_SEARCH_WEB"}, "thoughtSignature": "Qg=="},
        {"text": "Answer", "thoughtSignature": "QQ=="},
        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}, "thoughtSignature": "Qw=="},
        {"functionCall": {"id": "n1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "QUJD"},
        {"functionCall": {"id": "n2", "name": "f", "args": {}}},
    ]
    grounding: JsonObject = {"groundingChunks": [{"web": {"uri": "https://a.example"}}]}
    said = message(decode(frame(*parts, finish="STOP", groundingMetadata=grounding)))
    forgetful = {**said, "tool_calls": [{**call, "extra_content": None} for call in said["tool_calls"]]}  # type: ignore[dict-item, union-attr]
    for kept in (said, forgetful):
        to = ask("gemini-3-pro-preview", LEVEL)
        sent = encode({"messages": [{"role": "user", "content": "q"}, kept]}, to)
        assert sent["contents"][1] == {"role": "model", "parts": parts}  # type: ignore[index, call-overload]
        assert to.notes.dropped == []


# ---- usage ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "metadata",
    [None, {}, [], {"totalTokenCount": 4}, {"promptTokenCount": -1}, {"promptTokenCount": 1, "candidatesTokenCount": -2},
     {"promptTokenCount": 10**30}, {"promptTokenCount": "3"}, {"promptTokenCount": True}],
)  # fmt: skip
def test_figures_that_are_none(metadata: Json) -> None:
    assert usage_of(metadata) is None


def test_thoughts_that_are_counted_among_the_candidates_are_not_counted_twice() -> None:
    usage = usage_of(
        {"promptTokenCount": 10, "candidatesTokenCount": 30, "thoughtsTokenCount": 20, "totalTokenCount": 40}
    )
    assert usage is not None
    assert usage["completion_tokens"] == 30
    assert usage["total_tokens"] == 40


def test_parts_never_exceed_their_whole() -> None:
    usage = usage_of({"promptTokenCount": 10, "cachedContentTokenCount": 99, "candidatesTokenCount": 1})
    assert usage is not None
    assert usage["prompt_tokens_details"] == {"cached_tokens": 10}


# ---- streams --------------------------------------------------------------------------------------------------------
def test_the_last_usage_counts_and_may_come_after_the_finish() -> None:
    frames = [
        {**frame({"text": "a"}), "usageMetadata": {"promptTokenCount": 15, "totalTokenCount": 15}},
        frame({"text": ""}, finish="STOP"),
        {"usageMetadata": {"promptTokenCount": 13, "candidatesTokenCount": 2, "totalTokenCount": 15}},
    ]
    chunks, error = stream(events(frames))
    assert error is None
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [  # type: ignore[index, call-overload]
        {"role": "assistant", "content": ""}, {"content": "a"}, {},
    ]  # fmt: skip
    assert chunks[-1]["usage"]["prompt_tokens"] == 13  # type: ignore[index, call-overload]
    assert chunks[-1]["usage"]["completion_tokens"] == 2  # type: ignore[index, call-overload]
    assert {(chunk["id"], chunk["model"], chunk["created"]) for chunk in chunks} == {("chatcmpl-r1", "gemini-real", 7)}


def test_a_call_is_one_delta_with_a_dense_index() -> None:
    chunks, _ = stream(events([frame(call("f", {"a": 1})), frame(call("g")), frame(finish="STOP")]))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]  # type: ignore[index, call-overload]
    called = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]  # type: ignore[index, call-overload, operator]
    assert [(found["index"], found["function"]["arguments"]) for found in called] == [(0, '{"a":1}'), (1, "{}")]  # type: ignore[index, call-overload]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"  # type: ignore[index, call-overload]


@pytest.mark.parametrize("data", [events([frame({"text": "a"})]), events([{"usageMetadata": USAGE}])])
def test_a_stream_without_its_end_was_cut(data: bytes) -> None:
    chunks, error = stream(data)
    assert isinstance(error, UpstreamCut)
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks)  # type: ignore[index, call-overload]


def test_one_choice_of_two_without_its_end_was_cut() -> None:
    _, error = stream(events([frame({"text": "a"}, finish="STOP"), frame({"text": "b"}, index=1)]))
    assert isinstance(error, UpstreamCut)


@pytest.mark.parametrize("data", [b"", b"\r\n", b": comment\n\n", b"<html>busy</html>"])
def test_an_empty_stream_can_be_tried_again(data: bytes) -> None:
    chunks, error = stream(data)
    assert chunks == []
    assert isinstance(error, UpstreamInvalid)


ERROR: JsonObject = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (events([ERROR]), ""),
        (events([frame({"text": "a"}), ERROR, frame({"text": "b"}, finish="STOP")]), "a"),
        (events([[ERROR]]), ""),
        (orjson.dumps(ERROR), ""),
        (b"\n" + orjson.dumps([ERROR], option=orjson.OPT_INDENT_2), ""),
    ],
)
def test_errors_in_a_stream(data: bytes, said: str) -> None:
    for cut in (0, 1, len(data) // 2):
        chunks, error = stream(data, cut)
        assert error is not None
        assert (error.status, error.message) == (503, "The model is overloaded.")
        assert "".join(str(chunk["choices"][0]["delta"].get("content", "")) for chunk in chunks) == said  # type: ignore[index, call-overload, union-attr]


def test_a_list_of_frames_instead_of_events_is_an_answer() -> None:
    frames = [frame({"text": "a"}), frame({"text": "b"}, finish="STOP")]
    chunks, error = stream(orjson.dumps(frames), 5)
    assert error is None
    assert fold(chunks) == decode([*frames])
    assert message(decode([*frames]))["content"] == "ab"


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_line_ends(end: str) -> None:
    data = events([frame({"text": "a"}), frame({"text": "b"}, finish="STOP")]).replace(b"\r\n", end.encode())
    for cut in range(len(data)):
        chunks, error = stream(data, cut)
        assert error is None
        assert message(fold(chunks))["content"] == "ab"


def test_an_event_is_told_with_its_last_byte() -> None:
    decoder = DIALECT.decoder(ask())
    data = events([frame({"text": "a"}), frame({"text": "b"}, finish="STOP")])
    told = [at for at in range(len(data)) if decoder.feed(data[at : at + 1])]
    first = data.index(b"\r\n\r\n") + 3
    assert told == [first, len(data) - 1]


def test_a_done_event_of_someone_in_between_is_passed_over() -> None:
    chunks, error = stream(events([frame({"text": "a"}, finish="STOP")]) + b"data: [DONE]\n\n")
    assert error is None
    assert message(fold(chunks))["content"] == "a"


def test_an_image_of_megabytes_is_one_event() -> None:
    picture = "A" * 3_000_000
    part: JsonObject = {"inlineData": {"mimeType": "image/png", "data": picture}}
    data = events([frame({"text": "see"}), frame(part), frame(finish="STOP")])
    for size in (65_536, len(data) - 130):
        decoder = DIALECT.decoder(ask())
        chunks: list[JsonObject] = []
        for at in range(0, len(data), size):
            chunks += decoder.feed(data[at : at + size])
        chunks += decoder.close()
        assert decoder.error is None
        assert len(str(message(fold(chunks))["images"])) > len(picture)


def test_an_event_without_end_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.providers.gemini.frames.LIMIT", 1000)
    monkeypatch.setattr("proxy.providers.gemini.stream.LIMIT", 1000)
    for start in (b"data: ", b"["):
        decoder = DIALECT.decoder(ask())
        decoder.feed(start)
        decoder.feed(b"x" * 990)
        assert decoder.error is None
        decoder.feed(b"x" * 11)
        assert isinstance(decoder.error, UpstreamInvalid)
        assert list(decoder.close()) == []


@pytest.mark.parametrize("payload", [b"{", b"5", b'"text"', b"\xff\xfe", b'{"candidates":'])
def test_an_event_that_is_no_object_ends_the_stream(payload: bytes) -> None:
    _, error = stream(events([frame({"text": "a"})]) + b"data: " + payload + b"\n\n")
    assert isinstance(error, UpstreamInvalid)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"5", b"[]", b"{}", b'{"candidates":[]}', b'{"candidates":[5]}', b"\xff"]
)
def test_bodies_that_are_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamInvalid):
        DIALECT.decode(body, ask())


def test_an_error_inside_a_200() -> None:
    for document in (ERROR, [ERROR]):
        with pytest.raises(UpstreamError, match="overloaded") as caught:
            decode(document)
        assert caught.value.status == 503


# ---- properties -----------------------------------------------------------------------------------------------------
WORDS = st.text(alphabet='aé😀\n\r\u2028 "', min_size=1, max_size=6)
PARTS = st.one_of(
    st.builds(lambda text: {"text": text}, WORDS),
    st.builds(lambda text: {"text": text, "thought": True}, WORDS),
    st.builds(lambda text, args: call(text, args), WORDS, st.dictionaries(WORDS, st.integers(-9, 9), max_size=2)),
    st.builds(lambda data: call("f", {"d": data}, thoughtSignature="QUJD"), WORDS),
    st.sampled_from(
        (
            {"text": "", "thoughtSignature": "QUJD"},
            {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
            {"inlineData": {"mimeType": "audio/L16", "data": "AAA="}},
            {"executableCode": {"code": "1"}},
            {"newKind": {"x": None}},
        )
    ),
)
FRAMES = st.lists(st.lists(PARTS, max_size=3), min_size=1, max_size=4)


@given(FRAMES, st.sampled_from(("STOP", "MAX_TOKENS", "SAFETY")))
@settings(max_examples=80, deadline=None)
def test_a_stream_folded_is_the_whole_answer(frames: list[list[Json]], native: str) -> None:
    streamed = [{**frame(*parts), "usageMetadata": {"promptTokenCount": at}} for at, parts in enumerate(frames)]
    streamed[-1] = {**frame(*frames[-1], finish=native), "usageMetadata": USAGE}
    whole = {**frame(*(part for parts in frames for part in parts), finish=native), "usageMetadata": USAGE}
    chunks, error = stream(events(streamed))
    assert error is None
    assert fold(chunks) == decode(whole)


@given(FRAMES)
@settings(max_examples=15, deadline=None)
def test_every_split_gives_the_same_chunks(frames: list[list[Json]]) -> None:
    data = events([*(frame(*parts) for parts in frames), frame(finish="STOP")])
    whole = stream(data)
    for cut in range(1, len(data)):
        assert stream(data, cut) == whole


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=4)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "candidates content parts text thought functionCall name args id index finishReason usageMetadata promptTokenCount "
                "promptFeedback blockReason error code status details inlineData mimeType data logprobsResult chosenCandidates "
                "groundingMetadata groundingChunks web uri groundingSupports groundingChunkIndices thoughtSignature responseId".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(JUNK, JUNK)
@settings(max_examples=200, deadline=None)
def test_nothing_a_provider_writes_breaks_the_reader(junk: Json, inner: Json) -> None:
    for document in (
        junk,
        {"candidates": [{"content": {"parts": [inner, junk]}, "finishReason": inner}], "usageMetadata": junk},
    ):
        try:
            data = orjson.dumps(document)
        except TypeError:
            continue
        for read in (lambda data=data: DIALECT.decode(data, ask()), lambda data=data: DIALECT.error(400, (), data)):
            try:
                read()
            except UpstreamError:
                pass
        stream(b"data: " + data + b"\n\n")
