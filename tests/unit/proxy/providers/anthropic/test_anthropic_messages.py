"""Messages, parts and tool results as turns that Anthropic accepts."""

import copy
from base64 import b64encode
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalogue.behaviour import Behaviour
from proxy.errors import InvalidRequest
from proxy.providers.anthropic.dialect import AnthropicChat
from proxy.providers.anthropic.host import Host
from proxy.translation.ask import Ask

PLAIN = Behaviour(max_output=100)
NEW = Behaviour(inline_system=True, prefill=False, max_output=100)
USER = {"role": "user", "content": "Hi"}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "sig=="}


def call(ident: str | None, name: str = "find", arguments: str = "{}") -> dict[str, Any]:
    return {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*idents: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [call(ident) for ident in idents], **more}


def result(ident: str, content: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": ident, "content": content, **more}


def answered(ident: str, content: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": ident, "content": content, **more}


def translate(
    *messages: dict[str, Any], behaviour: Behaviour = PLAIN, host: Host | None = None, **chat: Any
) -> tuple[dict[str, Any], Ask]:
    ask = Ask(model="m", behaviour=behaviour)
    before = copy.deepcopy(messages)
    encoded = AnthropicChat(host).encode({"messages": list(messages), **chat}, ask)
    assert messages == before
    body: dict[str, Any] = orjson.loads(encoded.body)
    body["_headers"] = dict(encoded.headers)
    return body, ask


def turns(*messages: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = translate(*messages, **more)[0]["messages"]
    return found


def test_leading_instructions_are_the_system_prompt_a_block_each() -> None:
    body, ask = translate({"role": "system", "content": "A"}, {"role": "developer", "content": "B"}, USER)
    assert body["system"] == [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]
    assert translate({"role": "system", "content": "A"}, USER)[0]["system"] == "A"
    assert ask.notes.rewritten == []


def test_later_instructions_stand_in_place_where_the_model_takes_them() -> None:
    late = {"role": "system", "content": "Now."}
    assert turns(USER, late, behaviour=NEW) == [
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": [{"type": "text", "text": "Now."}]},
    ]
    body, ask = translate(USER, late, USER)
    assert body["messages"][0]["content"][1]["text"] == "<system>\nNow.\n</system>"
    assert len(body["messages"]) == 1
    assert ask.notes.rewritten == ["messages[].role"]


def test_instructions_never_stand_between_a_call_and_its_result() -> None:
    late = {"role": "system", "content": "Now."}
    found = turns(USER, calling("a"), late, result("a"), behaviour=NEW)
    assert [turn["role"] for turn in found] == ["user", "assistant", "user", "system"]
    assert found[2]["content"] == [answered("a")]


def test_instructions_straight_after_an_answer_become_text_of_the_user() -> None:
    found = turns(USER, {"role": "assistant", "content": "x"}, {"role": "system", "content": "S"}, USER, behaviour=NEW)
    assert found[2]["content"][0]["text"] == "<system>\nS\n</system>"
    assert [turn["role"] for turn in found] == ["user", "assistant", "user"]


def test_a_conversation_begins_with_the_user() -> None:
    body, ask = translate({"role": "system", "content": "S"})
    assert body["messages"] == [{"role": "user", "content": "."}]
    assert ask.notes.rewritten == ["messages"]
    assert turns({"role": "assistant", "content": "Hello"}, USER)[0] == {"role": "user", "content": "."}


@pytest.mark.parametrize("content", ["", "  \n", None, [], [{"type": "text", "text": " "}]])
def test_blank_text_is_left_out(content: Any) -> None:
    assert turns(USER, {"role": "user", "content": content}) == [USER]
    assert turns(USER, {"role": "assistant", "content": content}, USER) == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Hi"}]}
    ]


def test_a_begun_answer_is_continued_by_the_model_or_by_request() -> None:
    begun = {"role": "assistant", "content": "The answer is \n"}
    assert turns(USER, begun)[-1] == {"role": "assistant", "content": "The answer is"}
    body, ask = translate(USER, begun, behaviour=NEW)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == "The answer is \n"
    assert ask.notes.rewritten == ["messages"]


def test_parallel_results_come_first_and_together() -> None:
    found = turns(USER, calling("a", "b"), {"role": "user", "content": "Well?"}, result("b", "2"), result("a", "1"))
    assert [turn["role"] for turn in found] == ["user", "assistant", "user"]
    assert found[1]["content"] == [
        {"type": "tool_use", "id": "a", "name": "find", "input": {}},
        {"type": "tool_use", "id": "b", "name": "find", "input": {}},
    ]
    assert found[2]["content"] == [answered("b", "2"), answered("a", "1"), {"type": "text", "text": "Well?"}]


def test_a_call_message_each_is_one_turn() -> None:
    found = turns(USER, calling("a", content="First."), calling("b", content="Second."), result("a"), result("b"))
    assert [block.get("text", block.get("id")) for block in found[1]["content"]] == ["First.", "Second.", "a", "b"]
    assert found[2]["content"] == [answered("a"), answered("b")]


def test_a_missing_result_is_made_and_an_orphan_becomes_text() -> None:
    body, ask = translate(USER, calling("a", "b"), result("a"), result("zzz", "lost"))
    assert body["messages"][2]["content"] == [
        answered("a"),
        answered("b", "(no result)", is_error=True),
        {"type": "text", "text": "lost"},
    ]
    assert ask.notes.rewritten == ["messages[].tool_call_id"]
    assert turns(USER, calling("a"))[-1]["content"] == [answered("a", "(no result)", is_error=True)]


def test_two_results_for_one_call() -> None:
    assert turns(USER, calling("a"), result("a", "1"), result("a", "2"))[2]["content"] == [
        answered("a", "1"),
        {"type": "text", "text": "2"},
    ]


def test_results_without_content_images_and_failures() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    found = turns(USER, calling("a", "b", "c"), result("a", ""), result("b", [image]), result("c", "x", is_error=True))
    assert found[2]["content"][0] == {"type": "tool_result", "tool_use_id": "a"}
    assert found[2]["content"][1]["content"][0]["source"]["media_type"] == "image/png"
    assert found[2]["content"][2]["is_error"] is True


def test_ids_become_valid_and_unlike_each_other() -> None:
    found = turns(
        USER,
        calling("functions.f:0"),
        result("functions.f:0", "1"),
        calling("functions.f:0"),
        result("functions.f:0", "2"),
    )
    first, second = found[1]["content"][0]["id"], found[3]["content"][0]["id"]
    assert first != second
    assert all(part.replace("-", "").replace("_", "").isalnum() for part in (first, second))
    assert found[2]["content"] == [answered(first, "1")]
    assert found[4]["content"] == [answered(second, "2")]


def test_functions_of_the_time_before_tools() -> None:
    found = turns(
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": '{"q":1}'}},
        {"role": "function", "name": "find", "content": "ok"},
        functions=[{"name": "find"}],
        function_call={"name": "find"},
    )
    ident = found[1]["content"][0]["id"]
    assert found[1]["content"][0]["input"] == {"q": 1}
    assert found[2]["content"] == [answered(ident)]


@pytest.mark.parametrize("arguments", ["{broken", "[1]", "3"])
def test_arguments_that_are_no_object(arguments: str) -> None:
    message = {"role": "assistant", "tool_calls": [call("a", arguments=arguments)]}
    body, ask = translate(USER, message, result("a"))
    assert body["messages"][1]["content"][0]["input"] == {}
    assert ask.notes.rewritten == ["messages[].tool_calls[].function.arguments"]
    assert (
        translate(USER, {"role": "assistant", "tool_calls": [call("a", arguments="")]}, result("a"))[1].notes.rewritten
        == []
    )


def test_thinking_goes_back_first_and_unchanged() -> None:
    hidden = {"type": "redacted_thinking", "data": "xx=="}
    message = calling("a", content="Text.", reasoning_content="Hm.", thinking_blocks=[THOUGHT, hidden])
    body, ask = translate(USER, message, result("a"))
    assert body["messages"][1]["content"][:3] == [THOUGHT, hidden, {"type": "text", "text": "Text."}]
    assert ask.notes.dropped == []


def test_reasoning_without_a_signature_of_anthropic_stays_behind() -> None:
    unsigned = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    message = {"role": "assistant", "content": "A", "reasoning_content": "Hm.", "thinking_blocks": [unsigned]}
    body, ask = translate(USER, message, USER)
    assert body["messages"][1] == {"role": "assistant", "content": "A"}
    assert ask.notes.dropped == ["messages[].reasoning_content"]


def test_reasoning_details_count_when_they_are_anthropics() -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm.", "signature": "sig==", "format": "anthropic-claude-v1"},
        {"type": "reasoning.encrypted", "data": "xx", "format": "anthropic-claude-v1"},
        {"type": "reasoning.encrypted", "data": "yy", "format": "openai-responses-v1"},
        {"type": "reasoning.text", "text": "Hm.", "signature": "g", "format": "google-gemini-v1"},
    ]
    found = turns(USER, {"role": "assistant", "content": "A", "reasoning_details": details}, USER)
    assert found[1]["content"][:-1] == [THOUGHT, {"type": "redacted_thinking", "data": "xx"}]


def test_server_tools_go_back_to_their_places() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    found_pages = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    cited = {"type": "text", "text": "cited", "citations": [{"type": "web_search_result_location", "url": "https://a"}]}
    later = {**THOUGHT, "thinking": "Later."}
    message = {
        "role": "assistant",
        "content": "Before.After cited end",
        "thinking_blocks": [THOUGHT, later],
        "provider_blocks": [
            {"type": "anthropic", "index": 2, "at": 7, "block": use},
            {"type": "anthropic", "index": 3, "at": 7, "block": found_pages},
            {"type": "anthropic", "index": 6, "at": 13, "block": cited},
            {"type": "other", "index": 0, "block": {}},
        ],
    }
    body, ask = translate(USER, message, USER)
    assert body["messages"][1]["content"] == [
        THOUGHT,
        {"type": "text", "text": "Before."},
        use,
        found_pages,
        later,
        {"type": "text", "text": "After "},
        cited,
        {"type": "text", "text": " end"},
    ]
    assert ask.notes.dropped == ["messages[].provider_blocks"]


def test_citations_of_words_that_were_changed_are_left_out() -> None:
    cited = {"type": "text", "text": "cited", "citations": [{"type": "char_location"}]}
    entries = [{"type": "anthropic", "index": 1, "at": 4, "block": cited}]
    message = {"role": "assistant", "content": "Now other words.", "provider_blocks": entries}
    content = turns(USER, message, USER)[1]["content"]
    assert "".join(block["text"] for block in content) == "Now other words."
    assert not any("citations" in block for block in content)


def test_native_blocks_that_do_not_say_how_much_text_came_before() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    first = {
        "role": "assistant",
        "content": "After.",
        "provider_blocks": [{"type": "anthropic", "index": 0, "block": use}],
    }
    assert turns(USER, first, USER)[1]["content"] == [use, {"type": "text", "text": "After."}]
    last = {
        "role": "assistant",
        "content": "Before.",
        "provider_blocks": [{"type": "anthropic", "index": 1, "block": use}],
    }
    assert turns(USER, last, USER)[1]["content"] == [{"type": "text", "text": "Before."}, use]


def test_a_begun_answer_and_manual_thinking_exclude_each_other() -> None:
    manual = Behaviour(thinking="manual", max_output=9000)
    begun = {"role": "assistant", "content": "The answer is"}
    assert turns(USER, begun, behaviour=manual, reasoning_effort="low")[-1]["role"] == "user"
    assert turns(USER, begun, behaviour=manual)[-1]["role"] == "assistant"


def test_a_paused_turn_is_sent_back_as_it_is() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    message = {
        "role": "assistant",
        "content": "A",
        "provider_blocks": [{"type": "anthropic", "index": 1, "block": use}],
    }
    found = turns(USER, message, behaviour=NEW)
    assert found[-1] == {"role": "assistant", "content": [{"type": "text", "text": "A"}, use]}


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("data:image/png;base64,QUJD", {"type": "base64", "media_type": "image/png", "data": "QUJD"}),
        ("data:image/jpg;charset=utf-8;base64,QUJD", {"type": "base64", "media_type": "image/jpeg", "data": "QUJD"}),
        ("data:image/gif,%41BC", {"type": "base64", "media_type": "image/gif", "data": "QUJD"}),
        ("https://example.com/a.png", {"type": "url", "url": "https://example.com/a.png"}),
        ("http://example.com/a.png", {"type": "url", "url": "http://example.com/a.png"}),
    ],
)
def test_images(url: str, source: dict[str, str]) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    assert turns({"role": "user", "content": [part]})[0]["content"] == [{"type": "image", "source": source}]


def test_image_detail_is_lost_and_said() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://e/a.png", "detail": "high"}}
    assert translate({"role": "user", "content": [part]})[1].notes.dropped == ["messages[].content[].image_url.detail"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,QUJD"}},
        {"type": "file", "file": {"file_id": "file-openai"}},
        {"type": "file", "file": {"file_data": "data:application/zip;base64,QUJD"}},
        {"type": "video_url", "video_url": {"url": "https://e/v"}},
    ],
)
def test_parts_that_claude_cannot_read_are_refused(part: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        translate({"role": "user", "content": [part]})
    assert refused.value.code == "unsupported_content_part"


def test_a_host_that_fetches_nothing_wants_the_image_itself() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://e/a.png"}}
    with pytest.raises(InvalidRequest):
        translate({"role": "user", "content": [part]}, host=Host(image_urls=False))


def test_files() -> None:
    note = b64encode("Grüße".encode()).decode()
    parts = [
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,UERG", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": f"data:text/markdown;base64,{note}"}},
        {"type": "file", "file": {"file_data": "UERG", "filename": "b.pdf"}},
        {"type": "file", "file": {"file_id": "file_01"}},
    ]
    body, _ = translate({"role": "user", "content": parts})
    assert body["messages"][0]["content"] == [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "UERG"},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "UERG"},
            "title": "b.pdf",
        },
        {"type": "document", "source": {"type": "file", "file_id": "file_01"}},
    ]
    assert body["_headers"]["anthropic-beta"] == "files-api-2025-04-14"


def test_cache_control_stays_where_it_was() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    body, _ = translate(
        {"role": "system", "content": [{"type": "text", "text": "S", "cache_control": mark}]},
        {"role": "user", "content": "Hi", "cache_control": mark},
        calling("a"),
        result("a", "ok", cache_control=mark),
    )
    assert body["system"] == [{"type": "text", "text": "S", "cache_control": mark}]
    assert body["messages"][0]["content"] == [{"type": "text", "text": "Hi", "cache_control": mark}]
    assert body["messages"][2]["content"] == [answered("a", cache_control=mark)]


def test_names_of_speakers_have_no_place() -> None:
    assert translate({**USER, "name": "ann"})[1].notes.dropped == ["messages[].name"]


@pytest.mark.parametrize("message", [{"role": "robot", "content": "x"}, {}])
def test_roles_that_are_none(message: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        translate(message)


def test_refusals_go_back_as_text() -> None:
    parts = [{"type": "refusal", "refusal": "No."}]
    assert turns(USER, {"role": "assistant", "content": parts}, USER)[1]["content"] == "No."
    assert turns(USER, {"role": "assistant", "content": None, "refusal": "No."}, USER)[1]["content"] == "No."


# ---- whatever a client sends ----------------------------------------------------------------------------------------

contents = (
    st.none()
    | st.sampled_from(["", " ", "a", "b "])
    | st.lists(st.sampled_from(["x", " "]).map(lambda words: {"type": "text", "text": words}), max_size=2)
)
idents = st.sampled_from(["a", "b", "c:1", "", None])
calls = st.lists(idents.map(lambda ident: call(ident, "find", "{}")), max_size=3)
conversations = st.lists(
    st.one_of(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "developer"]), "content": contents}),
        st.fixed_dictionaries({"role": st.just("assistant"), "content": contents, "tool_calls": calls}),
        st.fixed_dictionaries({"role": st.just("tool"), "tool_call_id": idents, "content": contents}),
        st.fixed_dictionaries(
            {"role": st.just("function"), "name": st.sampled_from(["find", "f"]), "content": contents}
        ),
    ),
    min_size=1,
    max_size=8,
)


@given(messages=conversations, inline=st.booleans(), prefill=st.booleans())
def test_every_conversation_keeps_anthropics_rules(messages: list[dict[str, Any]], inline: bool, prefill: bool) -> None:
    found = turns(*messages, behaviour=Behaviour(inline_system=inline, prefill=prefill, max_output=100))
    assert found[0]["role"] == "user"
    open_calls: list[str] = []
    seen: set[str] = set()
    for before, turn in zip([None, *found], found, strict=False):
        blocks = turn["content"]
        if isinstance(blocks, str):
            blocks = [{"type": "text", "text": blocks}]
        assert blocks
        assert before is None or before["role"] != turn["role"]
        assert all(block["text"].strip() for block in blocks if block["type"] == "text")
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert sorted(results) == sorted(open_calls)
        assert all(block["type"] == "tool_result" for block in blocks[: len(results)])
        open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        assert [block["id"] for block in blocks[len(blocks) - len(open_calls) :] if open_calls] == open_calls
        assert not seen & set(open_calls)
        assert len(set(open_calls)) == len(open_calls)
        seen |= set(open_calls)
        if turn["role"] == "system":
            assert inline
            assert before is not None
            assert before["role"] == "user"
    assert not open_calls
    assert prefill or found[-1]["role"] != "assistant"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats()
    | st.sampled_from(["", "text", "auto", "function", "file"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "function", "name", "url", "image_url", "file", "parameters", "anyOf"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
FIELDS = [
    "content",
    "tool_calls",
    "name",
    "thinking_blocks",
    "reasoning_details",
    "provider_blocks",
    "function_call",
    "refusal",
]
TOP = [
    "tools",
    "tool_choice",
    "response_format",
    "stop",
    "reasoning",
    "thinking",
    "user",
    "n",
    "max_tokens",
    "temperature",
]
TOP += [
    "top_p",
    "top_k",
    "functions",
    "web_search_options",
    "service_tier",
    "reasoning_effort",
    "metadata",
    "modalities",
]


@given(
    members=st.dictionaries(st.sampled_from(FIELDS), values, max_size=4),
    role=st.sampled_from(["user", "assistant", "tool", "system", "function"]),
    chat=st.dictionaries(st.sampled_from(TOP), values, max_size=4),
)
def test_nothing_a_client_sends_is_a_crash(members: dict[str, Any], role: str, chat: dict[str, Any]) -> None:
    with suppress(InvalidRequest):
        AnthropicChat().encode({"messages": [{"role": role, **members}], **chat}, Ask(model="m", behaviour=PLAIN))
