"""Conversations: order, placeholders, results, reasoning, files; every body is judged by AWS's service model."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import orjson
import pytest
from bedrock_judge import CLAUDE, admitted
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.catalogue.behaviour import behaviour_of
from proxy.errors import InvalidRequest
from proxy.providers.bedrock.chat import Converse
from proxy.translation.ask import Ask

Sent = Callable[..., tuple[dict[str, Any], Ask]]

NOVA = "amazon.nova-pro-v1:0"
LLAMA = "us.meta.llama4-maverick-17b-instruct-v1:0"
MISTRAL = "mistral.mistral-large-2407-v1:0"
PNG = "data:image/png;base64,iVBO"


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def calls(*idents: str, name: str = "f", arguments: str = '{"a":1}') -> dict[str, Any]:
    listed = [{"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}} for ident in idents]
    return {"role": "assistant", "content": None, "tool_calls": listed}


def result(ident: str, content: Any = "42") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": ident, "content": content}


def use(ident: str, name: str = "f") -> dict[str, Any]:
    return {"toolUse": {"toolUseId": ident, "name": name, "input": {"a": 1}}}


def answer(ident: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": ident, "content": list(content) or [{"text": "42"}]}}


def test_leading_instructions_are_the_system_prompt(sent: Sent) -> None:
    messages = [{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}, user("hi")]
    body, ask = sent({"messages": messages})
    assert body["system"] == [{"text": "a"}, {"text": "b"}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "hi"}]}]
    assert not ask.notes.rewritten


def test_later_instructions_are_hoisted_and_said_so(sent: Sent) -> None:
    body, ask = sent({"messages": [user("hi"), {"role": "system", "content": "late"}]})
    assert body["system"] == [{"text": "late"}]
    assert ask.notes.rewritten == ["messages[].role"]


def test_the_newest_claude_takes_them_in_place(sent: Sent) -> None:
    messages = [user("hi"), {"role": "system", "content": "late"}, user("go")]
    body, ask = sent({"messages": messages}, model="global.anthropic.claude-opus-5-5")
    assert [turn["role"] for turn in body["messages"]] == ["user", "system", "user"]
    assert not ask.notes.rewritten


@pytest.mark.parametrize(
    "model", ["amazon.titan-text-express-v1", "mistral.mistral-7b-instruct-v0:2", "ai21.j2-ultra-v1"]
)
def test_models_without_a_system_prompt_get_it_before_the_first_words(sent: Sent, model: str) -> None:
    body, ask = sent({"messages": [{"role": "system", "content": "be terse"}, user("hi")]}, model=model)
    assert "system" not in body
    assert body["messages"][0]["content"] == [{"text": "be terse"}, {"text": "hi"}]
    assert "messages[].role" in ask.notes.rewritten


def test_neighbours_are_merged_and_the_user_begins(sent: Sent) -> None:
    messages = [{"role": "assistant", "content": "x"}, user("a"), user("b"), {"role": "assistant", "content": "y"}]
    messages += [{"role": "assistant", "content": "z"}, user("c")]
    body, ask = sent({"messages": messages})
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user", "assistant", "user"]
    assert body["messages"][2]["content"] == [{"text": "a"}, {"text": "b"}]
    assert body["messages"][3]["content"] == [{"text": "y"}, {"text": "z"}]
    assert ask.notes.rewritten == ["messages"]


@pytest.mark.parametrize("blank", ["", "  \n", [{"type": "text", "text": " "}], [], None])
def test_blank_text_is_never_sent(sent: Sent, blank: Any) -> None:
    body, _ = sent({"messages": [user(blank), {"role": "assistant", "content": blank}, user("x"), user(blank)]})
    texts = [block["text"] for turn in body["messages"] for block in turn["content"]]
    assert all(text.strip() for text in texts)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]


def test_instructions_alone_still_make_a_user_turn(sent: Sent) -> None:
    body, _ = sent({"messages": [{"role": "system", "content": "x"}]})
    assert body["messages"][0]["role"] == "user"


def test_parallel_calls_are_answered_in_one_turn_results_first(sent: Sent) -> None:
    messages = [user("q"), calls("t1", "t2"), result("t1"), result("t2", [{"type": "text", "text": "x"}]), user("more")]
    body, ask = sent({"messages": messages})
    assert body["messages"][1]["content"] == [use("t1"), use("t2")]
    assert body["messages"][2]["content"] == [answer("t1"), answer("t2", {"text": "x"}), {"text": "more"}]
    assert not ask.notes.rewritten


def test_words_between_call_and_result_come_after_the_result(sent: Sent) -> None:
    body, _ = sent({"messages": [user("q"), calls("t1"), user("wait"), result("t1")]})
    assert body["messages"][2]["content"] == [answer("t1"), {"text": "wait"}]


def test_a_missing_result_is_made_and_an_orphan_becomes_text(sent: Sent) -> None:
    body, ask = sent({"messages": [user("q"), result("t9", "lost"), calls("t1", "t2"), result("t2"), user("x")]})
    assert body["messages"][0]["content"][-1] == {"text": "lost"}
    results = [block["toolResult"] for block in body["messages"][2]["content"] if "toolResult" in block]
    assert {found["toolUseId"] for found in results} == {"t1", "t2"}
    assert next(found for found in results if found["toolUseId"] == "t1")["status"] == "error"
    assert "messages[].tool_call_id" in ask.notes.rewritten


def test_calls_that_nobody_answered_get_a_turn(sent: Sent) -> None:
    body, _ = sent({"messages": [user("q"), calls("t1")]})
    assert body["messages"][2]["content"][0]["toolResult"]["toolUseId"] == "t1"


@pytest.mark.parametrize("given", ["", " ", "null", "[1]", "{broken"])
def test_arguments_are_always_an_object(sent: Sent, given: str) -> None:
    body, _ = sent({"messages": [user("q"), calls("t1", arguments=given), result("t1")]})
    assert body["messages"][1]["content"][0]["toolUse"]["input"] == {}


def test_odd_ids_and_names_are_renamed_alike_on_both_sides(sent: Sent) -> None:
    ident, name = "call/" + "x" * 80, "näme with spaces"
    body, ask = sent({"messages": [user("q"), calls(ident, name=name), result(ident)]})
    told = body["messages"][1]["content"][0]["toolUse"]
    assert body["messages"][2]["content"][0]["toolResult"]["toolUseId"] == told["toolUseId"] != ident
    assert ask.names.back(told["name"]) == name
    assert body["toolConfig"]["tools"][0]["toolSpec"]["name"] == told["name"]


def test_two_ids_never_become_one(sent: Sent) -> None:
    body, _ = sent({"messages": [user("q"), calls("a/b", "a+b"), result("a/b"), result("a+b")]})
    first, second = body["messages"][1]["content"]
    assert first["toolUse"]["toolUseId"] != second["toolUse"]["toolUseId"]


def test_the_old_function_messages(sent: Sent) -> None:
    messages = [
        user("q"),
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
    ]
    body, _ = sent({"messages": [*messages, {"role": "function", "name": "f", "content": "42"}]})
    [told] = body["messages"][1]["content"]
    assert body["messages"][2]["content"] == [answer(told["toolUse"]["toolUseId"])]


def test_a_failed_tool_is_told_where_status_is_known(sent: Sent) -> None:
    messages = [user("q"), calls("t1"), {**result("t1"), "is_error": True}]
    assert sent({"messages": messages})[0]["messages"][2]["content"][0]["toolResult"]["status"] == "error"
    assert "status" not in sent({"messages": messages}, model=LLAMA)[0]["messages"][2]["content"][0]["toolResult"]


@pytest.mark.parametrize("model", [LLAMA, MISTRAL, "us.writer.palmyra-x5-v1:0"])
def test_results_stand_alone_for_these(sent: Sent, model: str) -> None:
    body, ask = sent({"messages": [user("q"), calls("abcdefgh1"), result("abcdefgh1"), user("more")]}, model=model)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user", "assistant", "user"]
    assert [list(block) for block in body["messages"][2]["content"]] == [["toolResult"]]
    assert body["messages"][4]["content"] == [{"text": "more"}]
    assert ask.notes.rewritten == ["messages"]


def test_mistral_takes_results_as_json_and_short_ids(sent: Sent) -> None:
    messages = [user("q"), calls("call_long_one", "t2"), result("call_long_one", '{"x":1}'), result("t2", "words")]
    body, _ = sent({"messages": messages}, model=MISTRAL)
    results = [block["toolResult"] for block in body["messages"][2]["content"]]
    assert [found["content"] for found in results] == [[{"json": {"x": 1}}], [{"json": {"result": "words"}}]]
    assert all(len(found["toolUseId"]) == 9 and found["toolUseId"].isalnum() for found in results)
    assert [block["toolUse"]["toolUseId"] for block in body["messages"][1]["content"]] == [
        found["toolUseId"] for found in results
    ]


def test_nova_takes_no_media_in_results_and_no_documents_beside_them(sent: Sent) -> None:
    image = {"type": "image_url", "image_url": {"url": PNG}}
    body, ask = sent({"messages": [user("q"), calls("t1"), result("t1", [image])]}, model=NOVA)
    assert body["messages"][2]["content"] == [
        answer("t1", {"text": "."}),
        {"image": {"format": "png", "source": {"bytes": "iVBO"}}},
    ]
    assert ask.notes.rewritten == ["messages[].content"]
    document = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}}
    body, _ = sent({"messages": [user("q"), calls("t1"), result("t1"), user([document])]}, model=NOVA)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user", "assistant", "user"]


def test_claude_keeps_media_in_results(sent: Sent) -> None:
    image = {"type": "image_url", "image_url": {"url": PNG}}
    body, _ = sent({"messages": [user("q"), calls("t1"), result("t1", [image])]})
    assert body["messages"][2]["content"] == [answer("t1", {"image": {"format": "png", "source": {"bytes": "iVBO"}}})]


def test_a_model_without_tools_reads_the_history_as_text(sent: Sent) -> None:
    body, ask = sent({"messages": [user("q"), calls("t1"), result("t1")]}, model="us.deepseek.r1-v1:0")
    assert "toolConfig" not in body
    assert all(list(block) == ["text"] for turn in body["messages"] for block in turn["content"])
    assert "42" in str(body["messages"][2])
    assert "messages[].tool_calls" in ask.notes.rewritten


# ---- reasoning ------------------------------------------------------------------------------------------------------
def test_signed_reasoning_goes_back_first_and_unchanged(sent: Sent) -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "Eq=="},
        {"type": "redacted_thinking", "data": "AAEC"},
    ]
    messages = [
        user("q"),
        {**calls("t1"), "content": "so", "reasoning_content": "hm", "thinking_blocks": blocks},
        result("t1"),
    ]
    body, ask = sent({"messages": messages})
    assert body["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "Eq=="}}},
        {"reasoningContent": {"redactedContent": "AAEC"}},
        {"text": "so"},
        use("t1"),
    ]
    assert not ask.notes.dropped


def test_reasoning_details_of_openrouter(sent: Sent) -> None:
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "Eq==", "format": "anthropic-claude-v1"},
        {"type": "reasoning.encrypted", "data": "zzz", "format": "openai-responses-v1"},
    ]
    body, _ = sent(
        {"messages": [user("q"), {"role": "assistant", "content": "a", "reasoning_details": details}, user("x")]}
    )
    assert body["messages"][1]["content"][0] == {
        "reasoningContent": {"reasoningText": {"text": "hm", "signature": "Eq=="}}
    }
    assert len(body["messages"][1]["content"]) == 2


@pytest.mark.parametrize("model", [NOVA, "us.deepseek.r1-v1:0", LLAMA])
def test_reasoning_never_reaches_another_maker(sent: Sent, model: str) -> None:
    block = {"type": "thinking", "thinking": "hm", "signature": "Eq=="}
    messages = [user("q"), {"role": "assistant", "content": "a", "thinking_blocks": [block]}, user("x")]
    body, ask = sent({"messages": messages}, model=model)
    assert "Eq==" not in str(body)
    assert ask.notes.dropped == ["messages[].thinking_blocks"]


def test_unsigned_reasoning_is_dropped(sent: Sent) -> None:
    messages = [user("q"), {"role": "assistant", "content": "a", "reasoning_content": "hm"}, user("x")]
    body, ask = sent({"messages": messages})
    assert body["messages"][1]["content"] == [{"text": "a"}]
    assert ask.notes.dropped == ["messages[].reasoning_content"]


def test_native_blocks_return_to_their_places(sent: Sent) -> None:
    server = {"toolUse": {"toolUseId": "s1", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}}
    entries = [
        {"type": "bedrock", "index": 1, "at": 5, "block": server},
        {"type": "bedrock", "index": 3, "at": 9, "block": {"citationsContent": {"content": [], "citations": []}}},
        {"type": "anthropic", "index": 0, "block": {"type": "x"}},
    ]
    messages = [user("q"), {"role": "assistant", "content": "firstlast", "provider_blocks": entries}, user("x")]
    body, ask = sent({"messages": messages})
    assert body["messages"][1]["content"] == [{"text": "first"}, server, {"text": "last"}]
    assert ask.notes.dropped == ["messages[].provider_blocks"]


# ---- prefill --------------------------------------------------------------------------------------------------------
def test_a_prefill_ends_without_blanks(sent: Sent) -> None:
    body, ask = sent({"messages": [user("q"), {"role": "assistant", "content": "I say: \n"}]})
    assert body["messages"][-1] == {"role": "assistant", "content": [{"text": "I say:"}]}
    assert not ask.notes.rewritten


def test_a_prefill_that_is_not_taken_becomes_a_request(sent: Sent) -> None:
    messages = [user("q"), {"role": "assistant", "content": "I say"}]
    body, ask = sent({"messages": messages}, model="us.anthropic.claude-opus-4-7-v1:0")
    assert body["messages"][-1]["role"] == "user"
    assert ask.notes.rewritten == ["messages"]


# ---- parts ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "shape"), [("jpg", "jpeg"), ("jpeg", "jpeg"), ("png", "png"), ("gif", "gif"), ("webp", "webp")]
)
def test_images(sent: Sent, kind: str, shape: str) -> None:
    part = {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,iVBO", "detail": "auto"}}
    body, ask = sent({"messages": [user([part])]})
    assert body["messages"][0]["content"] == [{"image": {"format": shape, "source": {"bytes": "iVBO"}}}]
    assert not ask.notes.dropped


def test_an_image_by_url_says_to_send_a_data_url(sent: Sent) -> None:
    with pytest.raises(InvalidRequest, match="data URL"):
        sent({"messages": [user([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}])]})


def test_an_image_in_s3(sent: Sent) -> None:
    body, _ = sent({"messages": [user([{"type": "image_url", "image_url": {"url": "s3://bucket/a.jpg"}}])]}, model=NOVA)
    assert body["messages"][0]["content"][0]["image"] == {
        "format": "jpeg",
        "source": {"s3Location": {"uri": "s3://bucket/a.jpg"}},
    }


def test_documents_have_clean_unique_names_and_company(sent: Sent) -> None:
    def file(name: str) -> dict[str, Any]:
        return {"type": "file", "file": {"filename": name, "file_data": "data:application/pdf;base64,JVBE"}}

    names = ["report.v2_final.pdf", "report.v2/final.pdf", "  ", "räport.txt.pdf", "a  (b) [c]-d.pdf"]
    body, ask = sent({"messages": [user([file(name) for name in names])]})
    content = body["messages"][0]["content"]
    assert content[0] == {"text": "."}
    found = [block["document"]["name"] for block in content[1:]]
    assert found == ["report v2 final", "report v2 final (2)", "document", "r port txt", "a (b) [c]-d"]
    assert ask.notes.rewritten == ["messages[].content"]


@pytest.mark.parametrize(
    ("name", "data", "shape"),
    [
        ("a.csv", "data:text/csv;base64,YQ==", "csv"),
        ("a.md", "data:application/octet-stream;base64,YQ==", "md"),
        ("a.docx", "data:application/octet-stream;base64,YQ==", "docx"),
        ("a", "data:text/x-python;base64,YQ==", "txt"),
        ("a.pdf", "JVBE", "pdf"),
        ("", "data:text/plain;charset=utf-8,hello%20you", "txt"),
    ],
)
def test_document_formats(sent: Sent, name: str, data: str, shape: str) -> None:
    part = {"type": "file", "file": {"filename": name, "file_data": data}}
    body, _ = sent({"messages": [user([{"type": "text", "text": "read"}, part])]})
    document = body["messages"][0]["content"][1]["document"]
    assert document["format"] == shape
    if "hello" in data:
        assert document["source"] == {"bytes": "aGVsbG8geW91"}


def test_audio_and_video(sent: Sent) -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}
    video = {"type": "video_url", "video_url": {"url": "data:video/3gpp;base64,AAAA"}}
    body, _ = sent({"messages": [user([audio, video])]}, model=NOVA)
    assert body["messages"][0]["content"] == [
        {"audio": {"format": "wav", "source": {"bytes": "UklG"}}},
        {"video": {"format": "three_gp", "source": {"bytes": "AAAA"}}},
    ]
    with pytest.raises(InvalidRequest, match="cannot hear"):
        sent({"messages": [user([audio])]})


@pytest.mark.parametrize(
    "part",
    [
        {"type": "hologram"},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}},
        {"type": "image_url"},
        {"type": "file", "file": {"filename": "a.exe", "file_data": "data:application/x-exe;base64,AAAA"}},
    ],
)
def test_parts_that_nobody_reads_are_refused(sent: Sent, part: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sent({"messages": [user([part])]})
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    "messages", [None, [], "hi", ["hi"], [{"role": "robot", "content": "x"}], [{"role": "user", "content": 3}]]
)
def test_messages_that_are_none(sent: Sent, messages: Any) -> None:
    with pytest.raises(InvalidRequest):
        sent({"messages": messages})


# ---- caching --------------------------------------------------------------------------------------------------------
def test_cache_marks_become_cache_points(sent: Sent) -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    part = {"type": "text", "text": "long", "cache_control": mark}
    tool = {"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}}
    messages = [{"role": "system", "content": [part]}, user([part, {"type": "text", "text": "q"}]), calls("t1")]
    messages += [{**result("t1"), "cache_control": {"type": "ephemeral"}}]
    body, ask = sent({"messages": messages, "tools": [tool]})
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    plain = {"cachePoint": {"type": "default"}}
    assert body["system"] == [{"text": "long"}, point]
    assert body["messages"][0]["content"] == [{"text": "long"}, point, {"text": "q"}]
    assert body["messages"][2]["content"] == [answer("t1"), plain]
    assert body["toolConfig"]["tools"][1] == plain
    assert not ask.notes.dropped


def test_a_mark_for_the_whole_request(sent: Sent) -> None:
    body, _ = sent({"cache_control": {"type": "ephemeral"}})
    assert body["messages"][0]["content"][-1] == {"cachePoint": {"type": "default"}}


def test_models_that_do_not_cache_say_so(sent: Sent) -> None:
    part = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
    body, ask = sent({"messages": [user([part])]}, model=LLAMA)
    assert body["messages"][0]["content"] == [{"text": "long"}]
    assert ask.notes.dropped == ["cache_control"]


# ---- any conversation -----------------------------------------------------------------------------------------------
contents = st.one_of(
    st.none(), st.sampled_from(["", " ", "hi", "line\nline"]), st.just([{"type": "text", "text": "part"}])
)
idents = st.sampled_from(["t1", "t2", "call/3"])
messages = st.lists(
    st.one_of(
        st.builds(
            lambda role, content: {"role": role, "content": content},
            st.sampled_from(["system", "user", "assistant"]),
            contents,
        ),
        st.builds(lambda ids: calls(*ids), st.lists(idents, min_size=1, max_size=2, unique=True)),
        st.builds(result, idents, contents),
        st.just(
            user([{"type": "file", "file": {"filename": "a.b.pdf", "file_data": "data:application/pdf;base64,JVBE"}}])
        ),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(
    messages,
    st.sampled_from([CLAUDE, NOVA, LLAMA, MISTRAL, "global.anthropic.claude-opus-5-5", "amazon.titan-text-express-v1"]),
)
def test_any_conversation_keeps_converses_rules(listed: list[dict[str, Any]], model: str) -> None:
    ask = Ask(model=model, behaviour=behaviour_of(model))
    body = orjson.loads(Converse().encode({"messages": listed}, ask).body)
    admitted(body, "Converse")
    turns = body["messages"]
    roles = [turn["role"] for turn in turns if turn["role"] != "system"]
    if ask.behaviour.inline_system:
        assert all(turns[at - 1]["role"] == "user" for at, turn in enumerate(turns) if turn["role"] == "system")
    else:
        assert all(one != other for one, other in pairwise(roles))
    assert roles[0] == "user"
    open_calls: set[str] = set()
    for turn in turns:
        assert turn["content"]
        results = {block["toolResult"]["toolUseId"] for block in turn["content"] if "toolResult" in block}
        assert results == open_calls
        kinds = ["toolResult" in block for block in turn["content"] if "cachePoint" not in block]
        assert kinds == sorted(kinds, reverse=True), "results come first"
        open_calls = {block["toolUse"]["toolUseId"] for block in turn["content"] if "toolUse" in block}
        assert all(block["text"].strip() for block in turn["content"] if "text" in block)
        if any("document" in block for block in turn["content"]):
            assert any("text" in block for block in turn["content"])
    assert not open_calls
    if any("toolUse" in block for turn in turns for block in turn["content"]):
        assert body["toolConfig"]["tools"]
