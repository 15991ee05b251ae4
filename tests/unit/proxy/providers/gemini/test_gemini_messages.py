"""Chat messages as Gemini's contents."""

import copy

import pytest

from proxy.errors import InvalidRequest
from proxy.providers.gemini.signatures import LONGEST_ID, UNKNOWN, parted_id, signed_id
from proxy.wire.values import Json, JsonObject
from tests.unit.proxy.providers.gemini.asking import BUDGET, LEVEL, ask, encode, user

CALL: JsonObject = {"id": "call_z", "type": "function", "function": {"name": "get_x", "arguments": '{"a":1}'}}


def turns(*results: Json, calls: list[Json] | None = None, **assistant: Json) -> JsonObject:
    """A user's question, the model's calls, and their results."""
    called: JsonObject = {"role": "assistant", "content": None, "tool_calls": calls or [CALL], **assistant}
    return {"model": "m", "messages": [{"role": "user", "content": "q"}, called, *results]}


def test_instructions_of_every_place_become_the_system_instruction() -> None:
    chat: JsonObject = {
        "messages": [
            {"role": "system", "content": "one"},
            {"role": "developer", "content": [{"type": "text", "text": "two"}]},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "yes"},
            {"role": "user", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"}]},
        ]
    }
    before, to = copy.deepcopy(chat), ask()
    assert encode(chat, to) == {
        "systemInstruction": {"parts": [{"text": "one"}, {"text": "two"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"text": "yes"}]},
            {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        ],
    }
    assert (to.notes.dropped, to.notes.rewritten) == ([], [])
    assert chat == before


def test_an_instruction_amid_the_conversation_is_moved_and_said_so() -> None:
    to = ask()
    chat: JsonObject = {"messages": [{"role": "user", "content": "hi"}, {"role": "system", "content": "now"}]}
    assert encode(chat, to)["systemInstruction"] == {"parts": [{"text": "now"}]}
    assert to.notes.rewritten == ["messages[].role"]


@pytest.mark.parametrize(
    ("messages", "contents"),
    [
        ([{"role": "system", "content": "s"}], [{"role": "user", "parts": [{"text": " "}]}]),
        ([{"role": "user", "content": ""}], [{"role": "user", "parts": [{"text": " "}]}]),
        (
            [{"role": "assistant", "content": "x"}],
            [{"role": "user", "parts": [{"text": " "}]}, {"role": "model", "parts": [{"text": "x"}]}],
        ),
    ],
)
def test_contents_are_never_empty_and_never_begin_with_the_model(messages: list[Json], contents: Json) -> None:
    assert encode({"messages": messages}, ask())["contents"] == contents


def test_gemma_gets_its_instructions_in_the_first_user_message() -> None:
    chat: JsonObject = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}
    assert encode(chat, ask("gemma-3-27b-it")) == {
        "contents": [{"role": "user", "parts": [{"text": "s"}, {"text": "u"}]}]
    }


@pytest.mark.parametrize("messages", [None, "hi", [{"content": "no role"}], ["text"]])
def test_messages_that_are_none(messages: Json) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode({"messages": messages}, ask())
    assert caught.value.param == "messages"


# ---- tools ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "response"),
    [
        ('{"b": 2}', {"b": 2}),
        ("[1, 2]", {"output": "[1, 2]"}),
        ("42", {"output": "42"}),
        ("plain text", {"output": "plain text"}),
        ("{broken", {"output": "{broken"}),
        ("", {"output": ""}),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], {"output": "a\nb"}),
    ],
)
def test_a_tool_result_is_an_object(content: Json, response: Json) -> None:
    sent = encode(turns({"role": "tool", "tool_call_id": "call_z", "content": content}), ask())
    assert sent["contents"][2] == {  # type: ignore[index, call-overload]
        "role": "user",
        "parts": [{"functionResponse": {"name": "get_x", "response": response}}],
    }


def test_a_failed_tool_says_so() -> None:
    result: JsonObject = {"role": "tool", "tool_call_id": "call_z", "content": "boom", "is_error": True}
    assert b'"response":{"error":"boom"}' in _bytes(turns(result))


def test_results_of_one_turn_stand_together_in_the_order_of_the_calls_apart_from_the_users_next_words() -> None:
    other: JsonObject = {"id": "call_y", "type": "function", "function": {"name": "get_y", "arguments": ""}}
    chat = turns(
        {"role": "tool", "tool_call_id": "call_y", "content": "Y"},
        {"role": "tool", "tool_call_id": "call_z", "content": "Z"},
        {"role": "user", "content": "go on"},
        calls=[CALL, other],
    )
    contents = encode(chat, ask())["contents"]
    assert contents[1:] == [  # type: ignore[index]
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "get_x", "args": {"a": 1}}},
                {"functionCall": {"name": "get_y", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "get_x", "response": {"output": "Z"}}},
                {"functionResponse": {"name": "get_y", "response": {"output": "Y"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "go on"}]},
    ]


def test_ids_that_are_used_again_in_a_later_turn_keep_the_order_of_that_turn() -> None:
    def call(ident: str, name: str) -> JsonObject:
        return {"id": ident, "type": "function", "function": {"name": name, "arguments": "{}"}}

    def result(ident: str, said: str) -> JsonObject:
        return {"role": "tool", "tool_call_id": ident, "content": said}

    first, second = [call("1", "a"), call("2", "b")], [call("2", "c"), call("1", "d")]
    chat = turns(result("1", "A"), result("2", "B"), calls=[*first])
    chat["messages"] += [  # type: ignore[operator]
        {"role": "assistant", "tool_calls": [*second]},
        result("1", "D"),
        result("2", "C"),
    ]
    assert encode(chat, ask())["contents"][4]["parts"] == [  # type: ignore[index, call-overload]
        {"functionResponse": {"name": "c", "response": {"output": "C"}}},
        {"functionResponse": {"name": "d", "response": {"output": "D"}}},
    ]


def test_a_result_without_its_call_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="answers no tool call"):
        encode({"messages": [{"role": "tool", "tool_call_id": "nobody", "content": "x"}]}, ask())


def test_arguments_that_are_no_object_are_kept_and_said_so() -> None:
    to = ask()
    broken: JsonObject = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1'}}
    sent = encode(turns(calls=[broken]), to)
    assert sent["contents"][1]["parts"][0]["functionCall"]["args"] == {"arguments": '{"a": 1'}  # type: ignore[index, call-overload]
    assert to.notes.rewritten == ["messages[].tool_calls[].function.arguments"]


def test_ids_go_back_to_gemini_3_only_and_only_if_a_provider_gave_them() -> None:
    result: JsonObject = {"role": "tool", "tool_call_id": "native7", "content": "1"}
    native: JsonObject = {**CALL, "id": "native7"}
    assert _bytes(turns(result, calls=[native]), "gemini-3-pro").count(b'"id":"native7"') == 2
    assert b'"id"' not in _bytes(turns(result, calls=[native]), "gemini-2.5-pro")
    ours: JsonObject = {**CALL, "id": "call_0123abcd_0"}
    assert b'"id"' not in _bytes(
        turns({"role": "tool", "tool_call_id": "call_0123abcd_0", "content": "1"}, calls=[ours]), "gemini-3-pro"
    )


# ---- signatures -----------------------------------------------------------------------------------------------------
def test_a_signature_goes_back_inside_its_call() -> None:
    signed: JsonObject = {**CALL, "extra_content": {"google": {"thought_signature": "QUJD"}}}
    part = encode(turns(calls=[signed]), ask("gemini-3-pro"))["contents"][1]["parts"][0]  # type: ignore[index, call-overload]
    assert part == {
        "functionCall": {"name": "get_x", "args": {"a": 1}, "id": "call_z"},
        "thoughtSignature": "QUJD",
    }


def test_a_client_that_forgets_unknown_members_returns_it_in_the_id() -> None:
    ident = signed_id("call_9_0", "+/8=")
    forgetful: JsonObject = {**CALL, "id": ident}
    result: JsonObject = {"role": "tool", "tool_call_id": ident, "content": "1"}
    sent = encode(turns(result, calls=[forgetful]), ask("gemini-3-pro"))
    assert sent["contents"][1]["parts"][0]["thoughtSignature"] == "+/8="  # type: ignore[index, call-overload]
    assert ident not in str(sent)


@pytest.mark.parametrize("signature", ["QUJD", "+/8=", "AA==", "A" * 400])
def test_an_id_and_its_signature_part_again(signature: str) -> None:
    ident = signed_id("call_1_0", signature)
    assert set(ident) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert ident != "call_1_0"
    assert parted_id(ident) == ("call_1_0", signature)


@pytest.mark.parametrize("signature", ["A" * LONGEST_ID, "not base64", "QUJ", "-_8="])
def test_a_signature_that_does_not_fit_an_id_stays_out_of_it(signature: str) -> None:
    assert signed_id("call_1_0", signature) == "call_1_0"


def test_a_lost_signature_is_skipped_on_the_first_call_of_gemini_3() -> None:
    second: JsonObject = {**CALL, "id": "call_y"}
    parts = encode(turns(calls=[CALL, second]), ask("gemini-3-flash"))["contents"][1]["parts"]  # type: ignore[index, call-overload]
    assert [part.get("thoughtSignature") for part in parts] == [UNKNOWN, None]  # type: ignore[union-attr]
    assert b"thoughtSignature" not in _bytes(turns(), "gemini-2.5-pro")


def test_a_texts_signature_goes_back_with_the_text_and_thoughts_before_it() -> None:
    extra: JsonObject = {"google": {"thought_signature": "QUJD"}}
    chat: JsonObject = {
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "a", "reasoning_content": "why", "extra_content": extra},
        ]
    }
    assert encode(chat, ask("gemini-3-pro", LEVEL))["contents"][1]["parts"] == [  # type: ignore[index, call-overload]
        {"text": "why", "thought": True},
        {"text": "a", "thoughtSignature": "QUJD"},
    ]


def test_thoughts_of_others_are_named_where_they_cannot_travel() -> None:
    blocks: list[Json] = [{"type": "thinking", "thinking": "why", "signature": "theirs"}]
    to = ask(behaviour=BUDGET)
    sent = encode(turns(thinking_blocks=blocks), to)
    assert sent["contents"][1]["parts"][0] == {"text": "why", "thought": True}  # type: ignore[index, call-overload]
    assert to.notes.dropped == ["messages[].thinking_blocks"]
    to = ask("gemini-2.0-flash")
    encode(turns(reasoning_content="why"), to)
    assert to.notes.dropped == ["messages[].reasoning_content"]


# ---- media ----------------------------------------------------------------------------------------------------------
def image(url: str, **more: Json) -> JsonObject:
    return {"type": "image_url", "image_url": {"url": url, **more}}


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        (image("data:image/png;base64,iVBO"), {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}),
        (image("data:image/svg+xml,%3Csvg/%3E"), {"inlineData": {"mimeType": "image/svg+xml", "data": "PHN2Zy8+"}}),
        (
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
        ),
        (
            {"type": "file", "file": {"filename": "a.csv", "file_data": "YSxi"}},
            {"inlineData": {"mimeType": "text/csv", "data": "YSxi"}},
        ),
        (
            {"type": "file", "file": {"file_id": "files/abc"}},
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
        ),
        (image("https://www.youtube.com/watch?v=x"), {"fileData": {"fileUri": "https://www.youtube.com/watch?v=x"}}),
    ],
)
def test_media(part: JsonObject, sent: Json) -> None:
    assert encode(user([part]), ask())["contents"] == [{"role": "user", "parts": [sent]}]


def test_urls_are_for_vertex_and_for_new_models() -> None:
    url = "https://example.com/a.webp?size=1"
    expected = [{"role": "user", "parts": [{"fileData": {"mimeType": "image/webp", "fileUri": url}}]}]
    assert encode(user([image(url)]), ask(), vertex=True)["contents"] == expected
    assert encode(user([image(url)]), ask("gemini-3-pro"))["contents"] == expected
    with pytest.raises(InvalidRequest, match="data URL"):
        encode(user([image(url)]), ask())
    bucket = encode(user([image("gs://b/x")]), ask(), vertex=True)
    assert b'"mimeType":"image/jpeg"' in _bytes(user([image("gs://b/x")]), vertex=True)
    assert bucket["contents"] != expected
    with pytest.raises(InvalidRequest, match="data URL"):
        encode(user([image("gs://b/x")]), ask("gemini-3-pro"))


@pytest.mark.parametrize(
    "url", ["data:image/gif;base64,R0lG", "https://example.com/a.gif", "nonsense", "data:image/png;base64,"]
)
def test_images_that_gemini_cannot_take(url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(user([image(url)]), ask(), vertex=True)
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("details", "sent"),
    [(["low", "high"], "MEDIA_RESOLUTION_HIGH"), (["low"], "MEDIA_RESOLUTION_LOW"), (["auto", "low"], None)],
)
def test_the_highest_detail_is_asked_for(details: list[str], sent: Json) -> None:
    parts: list[Json] = [image("data:image/png;base64,iVBO", detail=detail) for detail in details]
    config = encode(user(parts), ask()).get("generationConfig", {})
    assert config.get("mediaResolution") == sent  # type: ignore[union-attr]


def test_images_of_tools_go_inside_the_response_of_gemini_3_and_beside_it_before() -> None:
    result: JsonObject = {
        "role": "tool",
        "tool_call_id": "call_z",
        "content": [{"type": "text", "text": "see"}, image("data:image/png;base64,iVBO")],
    }
    inline = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}
    new = encode(turns(result), ask("gemini-3-pro"))["contents"][2]["parts"]  # type: ignore[index, call-overload]
    assert len(new) == 1  # type: ignore[arg-type]
    assert new[0]["functionResponse"]["parts"] == [inline]  # type: ignore[index, call-overload]
    old = encode(turns(result), ask())["contents"][2]["parts"]  # type: ignore[index, call-overload]
    assert old == [{"functionResponse": {"name": "get_x", "response": {"output": "see"}}}, inline]


def test_an_unknown_part_and_a_name_are_told() -> None:
    to = ask()
    chat: JsonObject = {
        "messages": [{"role": "user", "name": "ann", "content": [{"type": "smell"}, {"type": "text", "text": "x"}]}]
    }
    assert encode(chat, to)["contents"] == [{"role": "user", "parts": [{"text": "x"}]}]
    assert to.notes.dropped == ["messages[].name", "messages[].content[].smell"]


def test_members_of_messages_that_do_not_travel_are_told() -> None:
    to = ask()
    mark: JsonObject = {"type": "ephemeral"}
    chat = turns(
        {
            "role": "tool",
            "tool_call_id": "call_z",
            "name": "get_x",
            "content": [{"type": "text", "text": "1", "cache_control": mark}],
        },
        {"role": "user", "content": "q", "cache_control": mark, "mood": "good"},
        audio={"id": "a1"},
        reasoning_details=[{"type": "reasoning.encrypted", "data": "x"}],
        annotations=[{"type": "url_citation"}],
    )
    encode(chat, to)
    assert to.notes.dropped == ["messages[].audio", "messages[].reasoning_details", "cache_control", "messages[].mood"]


def _bytes(chat: JsonObject, model: str = "gemini-2.5-flash", *, vertex: bool = False) -> bytes:
    from proxy.providers.gemini.dialect import Gemini

    return Gemini(vertex=vertex).encode(chat, ask(model)).body
