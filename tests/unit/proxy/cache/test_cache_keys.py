"""What shapes an answer is in its key, and nothing else is; what is not to be cached has none."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from msgspec import structs

from proxy.cache.asking import CacheRules, Wanted
from proxy.cache.keys import Keyed, Keys
from proxy.context import Principal, RequestContext
from proxy.policy.caching import Cache, ExactCache, ModelCache, SemanticCache
from proxy.protocols import Question
from proxy.wire.document import Decoded, document_in
from proxy.wire.endpoints import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES, Endpoint
from proxy.wire.mac import Mac
from tests.unit.proxy.cache.asked import APP, CHAT_BODY, ON, asked, planned

SECRET = b"s" * 32


def keyed(ctx: RequestContext, settings: Cache = ON, *, keys: Keys | None = None) -> Keyed:
    keys = keys or Keys(settings=settings, secret=lambda: SECRET)
    return keys.keyed(ctx, CacheRules(settings=settings).wanted(ctx))


def body(**changes: Any) -> dict[str, Any]:
    return {**CHAT_BODY, **changes}


SYSTEM = [{"role": "system", "content": "Be brief."}, *CHAT_BODY["messages"]]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
GROUPED = Cache(exact=ExactCache(), groups={"red": ("acme", "other"), "blue": ("third",)})
SHARED = Cache(exact=ExactCache(), share="account")
FORWARDED = Principal(name="forwarded", tenant="acme", forwarded=b"sk-1")

PLAN = planned()

SHAPING: dict[str, tuple[RequestContext, Cache]] = {
    "as it is": (asked(plan=PLAN), ON),
    "another model": (asked(body(model="other")), ON),
    "another route": (asked(plan=structs.replace(PLAN, route=structs.replace(PLAN.route, label="slow"))), ON),
    "another target": (asked(plan=planned("own/large")), ON),
    "another provider": (asked(plan=planned("their/small")), ON),
    "more targets": (asked(plan=planned("own/small", "own/large")), ON),
    "names that join alike": (asked(plan=planned("own/smallown", "/large")), ON),
    "another endpoint": (asked(plan=PLAN, endpoint=MESSAGES), ON),
    "another question": (asked(body(messages=[{"role": "user", "content": "How long is the road"}])), ON),
    "a system prompt": (asked(body(messages=SYSTEM)), ON),
    "a conversation": (asked(body(messages=[*SYSTEM, {"role": "assistant", "content": "Long."}, *SYSTEM[1:]])), ON),
    "a name": (asked(body(messages=[{**CHAT_BODY["messages"][0], "name": "Ann"}])), ON),
    "temperature": (asked(body(temperature=0.5)), ON),
    "temperature 0": (asked(body(temperature=0)), ON),
    "temperature 0.0": (asked(body(temperature=0.0)), ON),
    "top_p": (asked(body(top_p=0.5)), ON),
    "tools": (asked(body(tools=[TOOL])), ON),
    "two tools": (asked(body(tools=[TOOL, TOOL])), ON),
    "tool_choice": (asked(body(tools=[TOOL], tool_choice="none")), ON),
    "response_format": (asked(body(response_format={"type": "json_object"})), ON),
    "seed": (asked(body(seed=1)), ON),
    "seed beyond 64 bits": (asked(orjson.dumps(CHAT_BODY)[:-1] + b',"seed":18446744073709551617}'), ON),
    "another beyond 64 bits": (asked(orjson.dumps(CHAT_BODY)[:-1] + b',"seed":18446744073709551616}'), ON),
    "n": (asked(body(n=2)), ON),
    "max_tokens": (asked(body(max_tokens=9)), ON),
    "stop": (asked(body(stop=["."])), ON),
    "logprobs": (asked(body(logprobs=True)), ON),
    "user": (asked(body(user="u1")), ON),
    "reasoning_effort": (asked(body(reasoning_effort="low")), ON),
    "a member nobody knows": (asked(body(zzz=None)), ON),
    "openai-beta": (asked(headers=[(b"openai-beta", b"a")]), ON),
    "openai-beta twice": (asked(headers=[(b"openai-beta", b"b"), (b"openai-beta", b"a")]), ON),
    "openai-beta in the other order": (asked(headers=[(b"openai-beta", b"a"), (b"openai-beta", b"b")]), ON),
    "anthropic-beta": (asked(headers=[(b"anthropic-beta", b"a")]), ON),
    "anthropic-version": (asked(headers=[(b"anthropic-version", b"a")]), ON),
    "openai-organization": (asked(headers=[(b"openai-organization", b"a")]), ON),
    "openai-project": (asked(headers=[(b"openai-project", b"a")]), ON),
    "strict": (asked(headers=[(b"x-tollway-strict", b"true")]), ON),
    "a header of the configuration": (
        asked(headers=[(b"x-region", b"a")]),
        Cache(exact=ExactCache(headers=("X-Region",))),
    ),
    "a namespace": (asked(headers=[(b"x-tollway-cache-namespace", b"a")]), ON),
    "a query": (asked(query=b"api-version=1"), ON),
    "another key": (asked(plan=PLAN, principal=structs.replace(APP, key="k2")), ON),
    "another account": (asked(principal=structs.replace(APP, account="other", tenant="other")), ON),
    "a file key of the name": (asked(principal=structs.replace(APP, key="")), ON),
    "a cap of the key": (asked(principal=structs.replace(APP, output_cap=100)), ON),
    "an account's": (asked(), SHARED),
    "another account's": (asked(principal=structs.replace(APP, account="other", tenant="other")), SHARED),
    "a group's": (asked(), GROUPED),
    "another group's": (asked(principal=structs.replace(APP, account="third", tenant="third")), GROUPED),
    "a forwarded key": (asked(principal=FORWARDED), ON),
    "another forwarded key": (asked(principal=structs.replace(FORWARDED, tenant="acm")), ON),
    "a forwarded key, shared": (asked(principal=FORWARDED), SHARED),
    "nobody's key": (asked(principal=Principal(name="open", tenant="open")), ON),
    "nobody's key, of the tenant's name": (asked(principal=Principal(name="app", tenant="acme")), ON),
}


def test_everything_that_shapes_the_answer_is_in_the_key() -> None:
    # Each configuration's own, so that what is remembered of one request is there for the next.
    kept = {id(settings): Keys(settings=settings, secret=lambda: SECRET) for _, settings in SHAPING.values()}
    found = {name: keyed(ctx, settings, keys=kept[id(settings)]) for name, (ctx, settings) in SHAPING.items()}
    assert {name: each.reason for name, each in found.items() if each.reason} == {}
    assert {len(each.key) for each in found.values()} == {32}
    named: dict[bytes, str] = {}
    for name, each in found.items():
        assert each.key not in named, f"{name!r} has the key of {named[each.key]!r}"
        named[each.key] = name


@pytest.mark.parametrize("name", SHAPING)
def test_a_body_that_was_decoded_before_has_the_same_key(name: str) -> None:
    ctx, settings = SHAPING[name]
    plain = keyed(ctx, settings)
    read = document_in(ctx.body)
    decoded = structs.replace(ctx, decoded=Decoded(ctx.body, read) if read is not None else None)
    again = keyed(decoded, settings)
    assert (again.key, again.document) == (plain.key, plain.document)
    assert decoded.decoded is None, "what is left out of the document nobody else is to miss"


def test_what_another_body_decoded_to_is_not_this_ones() -> None:
    ctx = asked(body(seed=1))
    other = structs.replace(ctx, decoded=Decoded(orjson.dumps(CHAT_BODY), dict(CHAT_BODY)))
    assert keyed(other).key == keyed(ctx).key


ALIKE: dict[str, RequestContext] = {
    "spaces": asked(b' { "messages" :[{"role":"user", "content":"How long is the road?"}],\n"model":"fast"}\r\n'),
    "escapes": asked(b'{"model":"fa\\u0073t","messages":[{"content":"How long is the road\\u003F","role":"user"}]}'),
    "a stream": asked(body(stream=True)),
    "no stream": asked(body(stream=False)),
    "its options": asked(body(stream=True, stream_options={"include_usage": True})),
    "metadata": asked(body(metadata={"run": "7"})),
    "cache keys": asked(body(prompt_cache_key="x", prompt_cache_retention="24h")),
    "an SDK's headers": asked(headers=[(b"x-stainless-retry-count", b"1"), (b"traceparent", b"00-1"), (b"idempotency-key", b"i")]),
    "another ttl": asked(headers=[(b"x-tollway-cache-ttl", b"9")]),
    "refresh": asked(headers=[(b"x-tollway-cache", b"refresh"), (b"x-tollway-tags", b"t")]),
    "an alias of the door": asked(path="/openai/v1/chat/completions"),
    "a cap of ours": asked(body(max_tokens=5), uncapped=orjson.dumps(CHAT_BODY)),
    "another name of the principal's object": asked(principal=structs.replace(APP)),
}  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_what_does_not_shape_it_is_not(name: str) -> None:
    assert keyed(ALIKE[name]).key == keyed(asked()).key


def test_the_order_of_targets_and_copies_of_them_do_not_matter() -> None:
    places = [f"p{number}/m" for number in range(20)]
    one, other = planned(*places), planned(*places[::-1])
    assert keyed(asked(plan=one)).key == keyed(asked(plan=other)).key
    keys = Keys(settings=ON, secret=lambda: SECRET)
    first = keyed(asked(plan=one), keys=keys).key
    filtered = structs.replace(one, candidates=(*one.candidates,))
    assert keyed(asked(plan=filtered), keys=keys).key == first
    assert len(keys._origins) == 1, "a filter's new tuple of the same targets is no other"
    assert keyed(asked(plan=structs.replace(one, candidates=one.candidates[:1])), keys=keys).key != first


def test_headers_of_several_names_may_come_in_any_order() -> None:
    one, other = (b"openai-beta", b"a"), (b"anthropic-beta", b"b")
    assert keyed(asked(headers=[one, other])).key == keyed(asked(headers=[other, one])).key


def test_who_shares_shares() -> None:
    def key(principal: Principal, settings: Cache) -> bytes:
        return keyed(asked(principal=principal), settings).key

    sibling = structs.replace(APP, key="k2", name="app 2")
    partner = structs.replace(sibling, account="other", tenant="other")
    assert key(APP, SHARED) == key(sibling, SHARED) != key(partner, SHARED)
    assert key(APP, GROUPED) == key(sibling, GROUPED) == key(partner, GROUPED)
    outsider = structs.replace(sibling, account="fourth", tenant="fourth")
    assert key(outsider, GROUPED) == key(outsider, ON), "who is in no group keeps to itself"
    assert key(structs.replace(FORWARDED, tenant="acme"), GROUPED) == key(FORWARDED, ON), "a group is of accounts"


def test_another_secret_is_another_key_and_the_first_one_comes_back() -> None:
    secrets = [b"a" * 32]
    keys, ctx = Keys(settings=ON, secret=lambda: secrets[-1]), asked()
    first = keyed(ctx, keys=keys).key
    secrets.append(b"b" * 32)
    second = keyed(ctx, keys=keys).key
    secrets.append(b"a" * 32)
    assert keyed(ctx, keys=keys).key == first != second


def test_what_is_remembered_is_bounded_and_no_forwarded_key_is_held() -> None:
    keys = Keys(settings=ON, secret=lambda: SECRET)
    ctx, found = asked(), set()
    for number in range(5000):
        # Each dies with the next, which then lies in its place.
        ctx.principal = structs.replace(FORWARDED, tenant=str(number))
        found.add(keyed(ctx, keys=keys).key)
    assert len(found) == 5000
    assert 0 < len(keys._origins) <= 4096
    assert {origin.principal for origin in keys._origins.values()} == {None}


@pytest.mark.parametrize("secret", [b"", b"k", b"s" * 32, b"x" * 64, b"y" * 65])
def test_the_mac_is_an_hmac(secret: bytes) -> None:
    mac = Mac.of(secret)
    first = mac.begun(b"one")
    begun, _ = first.begun(b"two"), (mac.begun(b"other"), first.begun(b"other"))
    assert begun.digest(b"three" * 1000) == hmac.digest(secret, b"onetwo" + b"three" * 1000, hashlib.sha256)
    assert begun.digest(b"") == hmac.digest(secret, b"onetwo", hashlib.sha256), "it can be used again"


# ---- what is not cached ---------------------------------------------------------------------------------------------

ANTHROPIC_TOOL = {"name": "f", "input_schema": {"type": "object"}}
BARRED: list[tuple[Endpoint, dict[str, Any], str]] = [
    (CHAT, {"temperature": 1.0}, ""),
    (CHAT, {"temperature": 1}, ""),
    (CHAT, {"temperature": None}, ""),
    (CHAT, {"temperature": 1.01}, "temperature"),
    (CHAT, {"temperature": 2}, "temperature"),
    (CHAT, {"temperature": "0"}, "temperature"),
    (CHAT, {"temperature": True}, "temperature"),
    (CHAT, {"store": True}, "stateful"),
    (CHAT, {"store": "yes"}, "stateful"),
    (CHAT, {"store": False}, ""),
    (CHAT, {"store": None}, ""),
    (CHAT, {"deferred": True}, "stateful"),
    (COMPLETIONS, {"prompt": "Hi"}, ""),
    (CHAT, {"prompt": {"id": "pmpt_1"}}, "stateful"),
    (RESPONSES, {}, "stateful"),
    (RESPONSES, {"store": None}, "stateful"),
    (RESPONSES, {"store": True}, "stateful"),
    (RESPONSES, {"store": False, "input": "Hi"}, ""),
    (RESPONSES, {"store": False, "input": [{"type": "item_reference", "id": "msg_1"}]}, "stateful"),
    (RESPONSES, {"store": False, "previous_response_id": "resp_1"}, "stateful"),
    (RESPONSES, {"store": False, "conversation": {"id": "conv_1"}}, "stateful"),
    (RESPONSES, {"store": False, "background": True}, "stateful"),
    (RESPONSES, {"store": False, "background": False, "previous_response_id": None}, ""),
    (RESPONSES, {"store": False, "prompt": {"id": "pmpt_1"}}, "stateful"),
    (MESSAGES, {"container": "c_1"}, "stateful"),
    (MESSAGES, {"mcp_servers": [{"url": "https://x"}]}, "live_tools"),
    (MESSAGES, {"mcp_servers": []}, ""),
    (CHAT, {"web_search_options": {}}, "live_tools"),
    (CHAT, {"plugins": [{"id": "web"}]}, "live_tools"),
    (CHAT, {"search_parameters": {"mode": "auto"}}, "live_tools"),
    (CHAT, {"search_parameters": {"mode": "off"}}, ""),
    (CHAT, {"enable_search": True}, "live_tools"),
    (CHAT, {"enable_search": False}, ""),
    (CHAT, {"tools": [TOOL]}, ""),
    (CHAT, {"tools": []}, ""),
    (CHAT, {"tools": None}, ""),
    (CHAT, {"tools": [{"type": "custom", "custom": {"name": "c"}}]}, ""),
    (CHAT, {"tools": "all"}, "live_tools"),
    (CHAT, {"tools": [TOOL, "web"]}, "live_tools"),
    (CHAT, {"tools": [{"google_search": {}}]}, "live_tools"),
    (MESSAGES, {"tools": [ANTHROPIC_TOOL]}, ""),
    (MESSAGES, {"tools": [{"type": "text_editor_20250728", "name": "e"}, {"type": "bash_20250124", "name": "b"}]}, ""),
    *[
        (RESPONSES, {"store": False, "tools": [{"type": kind}]}, "live_tools")
        for kind in ("web_search", "web_search_preview", "file_search", "code_interpreter", "mcp", "computer_use_preview", "image_generation", 7)
    ],
    *[(MESSAGES, {"tools": [{"type": kind}]}, "live_tools") for kind in ("web_search_20250305", "code_execution_20250825", "computer_20250124")],
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "changes", "reason"), BARRED)
def test_answers_that_depend_on_more_have_no_key(endpoint: Endpoint, changes: dict[str, Any], reason: str) -> None:
    found = keyed(asked(body(**changes), endpoint=endpoint))
    assert found.reason == reason
    assert len(found.key) == (0 if reason else 32)


def test_the_highest_temperature_is_the_models_own() -> None:
    plan = planned(cache=ModelCache(max_temperature=0.2))
    assert keyed(asked(body(temperature=0.3), plan=plan)).reason == "temperature"
    assert keyed(asked(body(temperature=0.2), plan=plan)).reason == ""
    assert keyed(asked(plan=plan)).reason == "", "none was set"


@pytest.mark.parametrize(
    "model",
    ["gpt-4o-search-preview", "gpt-5-search-api", "any:online", "sonar-pro", "perplexity/sonar", "groq/compound"],
)
def test_models_that_search_unasked_are_not_cached_unless_told(model: str) -> None:
    assert keyed(asked(plan=planned(f"own/{model}", "own/small"))).reason == "live_tools"
    assert keyed(asked(plan=planned(f"own/{model}", cache=ModelCache(exact=True)))).reason == ""


def test_what_goes_by_an_object_that_a_provider_keeps_is_stateful() -> None:
    assert keyed(asked(bound="openai#0")).reason == "stateful"


def test_a_prompt_up_to_the_size() -> None:
    settings = Cache(exact=ExactCache(max_prompt=1024))
    base = orjson.dumps(CHAT_BODY)
    fits = base + b" " * (1024 - len(base))
    assert keyed(asked(fits), settings).reason == ""
    assert keyed(asked(fits + b" "), settings) == Keyed(b"", None, "oversize")


@pytest.mark.parametrize("raw", [b'{"a":1,"a":2}', b'{"a":"\\ud800"}', b"[]", b'{"store":true,"store":false}'])
def test_what_two_parsers_read_differently_is_not_cached(raw: bytes) -> None:
    assert keyed(asked(raw)) == Keyed(b"", None, "unreadable")


# ---- questions ------------------------------------------------------------------------------------------------------

SIMILAR = Cache(exact=ExactCache(), semantic=SemanticCache(enabled=True, max_prompt=40, max_turns=3))


def question(ctx: RequestContext, settings: Cache = SIMILAR) -> Question | str:
    keys, wanted = Keys(settings=settings, secret=lambda: SECRET), CacheRules(settings=settings).wanted(ctx)
    return keys.question(ctx, wanted, keys.keyed(ctx, wanted))


def partition(ctx: RequestContext) -> bytes:
    found = question(ctx)
    assert isinstance(found, Question)
    return found.partition


def says(content: Any, **changes: Any) -> dict[str, Any]:
    return body(messages=[{"role": "user", "content": content}], **changes)


def test_a_question_is_the_last_turn_in_the_partition_of_all_else() -> None:
    ctx = asked(plan=planned(cache=ModelCache(threshold=0.97)))
    found = question(ctx)
    assert isinstance(found, Question)
    assert found.text == "How long is the road?"
    assert (found.route, found.threshold, found.tenant) == ("fast", 0.97, "acme")
    assert len(found.partition) == 32
    assert found.partition == partition(asked(says("And the river?")))
    assert found.partition == partition(asked(says("And the river?", stream=True)))
    assert found.partition != keyed(asked(says("")), SIMILAR).key, "a partition is no key"


def test_partitions_differ_in_everything_but_the_text() -> None:
    turn = {"role": "user", "content": "x"}
    bodies = [
        body(messages=[turn]),
        body(messages=[{**turn, "name": "Ann"}]),
        body(messages=[{"role": "system", "content": "s"}, turn]),
        body(messages=[{"role": "system", "content": "t"}, turn]),
        body(messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}, turn]),
        body(messages=[{"role": "user", "content": "z"}, {"role": "assistant", "content": "y"}, turn]),
        body(messages=[{"role": "user", "content": [{"type": "text", "text": "x"}]}]),
        body(messages=[{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}]}]),
        body(messages=[turn], tools=[TOOL]),
        body(messages=[turn], temperature=0),
        body(messages=[turn], response_format={"type": "json_object"}),
    ]
    contexts = [asked(each) for each in bodies]
    contexts += [
        asked(principal=structs.replace(APP, key="k2")),
        asked(plan=planned("own/large")),
        asked(headers=[(b"x-tollway-cache-namespace", b"n")]),
        asked(headers=[(b"openai-beta", b"n")]),
        asked(endpoint=MESSAGES),
    ]
    assert len({partition(ctx) for ctx in contexts}) == len(contexts)


TURNS: list[tuple[Endpoint, dict[str, Any], str]] = [
    # A text that begins with "=" is the question's, anything else the reason for none.
    (CHAT, says("  Hi "), "=  Hi "),
    (CHAT, says([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), "=a\nb"),
    (CHAT, says([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:"}}]), "not_text"),
    (CHAT, says([{"type": "input_audio", "input_audio": {}}]), "not_text"),
    (CHAT, says([{"type": "text"}]), "not_text"),
    (CHAT, says(["a"]), "not_text"),
    (CHAT, says([]), "not_text"),
    (CHAT, says(" \n"), "not_text"),
    (CHAT, says(None), "not_text"),
    (CHAT, says("x" * 40), "=" + "x" * 40),
    (CHAT, says("x" * 41), "prompt_too_long"),
    (CHAT, body(messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]), "no_user_turn"),
    (CHAT, body(messages=[{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]), "no_user_turn"),
    (CHAT, body(messages=[]), "no_user_turn"),
    (CHAT, body(messages="a"), "no_user_turn"),
    (CHAT, body(messages=["a"]), "no_user_turn"),
    (CHAT, body(messages=[{"role": "user", "content": "a"}] * 3), "=a"),
    (CHAT, body(messages=[{"role": "user", "content": "a"}] * 4), "turns"),
    (MESSAGES, says([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]), "=a"),
    (MESSAGES, says([{"type": "tool_result", "content": "a"}]), "not_text"),
    (COMPLETIONS, {"prompt": "a"}, "=a"),
    (COMPLETIONS, {"prompt": ["a"]}, "not_text"),
    (COMPLETIONS, {"prompt": ""}, "not_text"),
    (RESPONSES, {"input": "a", "store": False}, "=a"),
    (RESPONSES, {"input": [{"role": "user", "content": "a"}], "store": False}, "=a"),
    (RESPONSES, {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}], "store": False}, "=a"),
    (RESPONSES, {"input": [{"type": "message", "role": "user", "content": [{"type": "input_image"}]}], "store": False}, "not_text"),
    (RESPONSES, {"input": [{"type": "function_call_output", "call_id": "c", "output": "a"}], "store": False}, "no_user_turn"),
    (RESPONSES, {"input": [{"type": "other", "role": "user", "content": "a"}], "store": False}, "no_user_turn"),
    (RESPONSES, {"input": None, "store": False}, "no_user_turn"),
    (EMBEDDINGS, {"input": "a"}, "no_user_turn"),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "given", "expected"), TURNS)
def test_the_last_user_turn(endpoint: Endpoint, given: dict[str, Any], expected: str) -> None:
    found = question(asked({"model": "fast", **given}, endpoint=endpoint))
    assert (found if isinstance(found, str) else f"={found.text}") == expected


def test_what_has_no_one_spelling_is_no_question() -> None:
    assert question(asked(orjson.dumps(CHAT_BODY)[:-1] + b',"seed":18446744073709551617}')) == "unreadable"
    assert question(asked(b'{"messages":[],"messages":[]}')) == "unreadable"


# ---- embeddings -----------------------------------------------------------------------------------------------------


def inputs(given: Any, *, change: Callable[[RequestContext], None] | None = None, **members: Any) -> list[bytes]:
    ctx = asked(orjson.dumps({"model": "e", "input": given, **members}), endpoint=EMBEDDINGS)
    keys, wanted = Keys(settings=ON, secret=lambda: SECRET), CacheRules(settings=ON).wanted(ctx)
    assert isinstance(wanted, Wanted)
    return keys.inputs(ctx, wanted, keys.keyed(ctx, wanted))


def test_each_input_has_a_key_of_its_own() -> None:
    a, b, c = inputs(["a", "b", "c"])
    assert len({a, b, c}) == 3
    assert inputs(["c", "a", "a"]) == [c, a, a]
    assert inputs("a") == inputs(["a"]) == [a]
    assert inputs([1, 2]) == inputs([[1, 2]]) != inputs([[1], [2]])
    assert len({*inputs(["[1]", "tokens:[1]", ""]), *inputs([1]), *inputs([1, 2]), *inputs([12])}) == 6


def test_what_else_is_asked_shapes_every_input() -> None:
    found = [inputs("a"), inputs("a", dimensions=8), inputs("a", encoding_format="base64"), inputs("a", user="u")]
    assert len({each[0] for each in found}) == 4
    assert inputs("a", metadata={"x": "y"}) == inputs("a")
    assert inputs("a")[0] != keyed(asked({"model": "e", "input": "a"}, endpoint=EMBEDDINGS)).key


@pytest.mark.parametrize(
    "given", [[], None, 1, {}, [None], ["a", None], ["a", []], [[1], ["a"]], [[True]], [1.5], [{"text": "a"}]]
)
def test_inputs_that_are_none(given: Any) -> None:
    assert inputs(given) == []


def test_inputs_of_what_cannot_be_read() -> None:
    for raw in (
        b'{"input":"a","input":"b"}',
        b'{"input":[18446744073709551616]}',
        b'{"input":"a","x":18446744073709551616}',
    ):
        ctx = asked(raw, endpoint=EMBEDDINGS)
        keys, wanted = Keys(settings=ON, secret=lambda: SECRET), CacheRules(settings=ON).wanted(ctx)
        assert keys.inputs(ctx, wanted, keys.keyed(ctx, wanted)) == []


def test_what_an_answer_repeats_is_part_of_its_key() -> None:
    """The Responses API gives metadata back; chat does not."""
    keys = Keys(settings=ON, secret=lambda: b"s" * 32)

    def key(endpoint: Endpoint, body: dict[str, Any], ticket: str) -> bytes:
        ctx = asked({**body, "metadata": {"ticket": ticket}}, endpoint=endpoint)
        found = keys.keyed(ctx, CacheRules(settings=ON).wanted(ctx))
        assert not found.reason
        return found.key

    told: dict[str, Any] = {"model": "fast", "input": "Hi", "store": False}
    assert key(RESPONSES, told, "A-1") != key(RESPONSES, told, "B-2")
    assert key(RESPONSES, told, "A-1") == key(RESPONSES, told, "A-1")
    assert key(CHAT, dict(CHAT_BODY), "A-1") == key(CHAT, dict(CHAT_BODY), "B-2")
