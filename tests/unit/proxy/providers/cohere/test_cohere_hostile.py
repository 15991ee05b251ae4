"""Requests and answers of any shape: an encoding or a refusal, an answer or an error of ours, and nothing else."""

import json
from contextlib import suppress

import orjson
from cohere_shapes import CHAT, ask
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import InvalidRequest, UpstreamError
from proxy.providers.cohere.embeddings import Embeddings
from proxy.providers.cohere.rerank import Rerank
from proxy.wire.values import Json, JsonObject

words = st.sampled_from(
    """role user system developer assistant tool content text type image_url url tool_calls function name arguments id index
    message tool_plan thinking finish_reason usage tokens billed_units input_tokens embeddings float results relevance_score
    meta citations sources start end provider_blocks cohere block citation none required auto mode tools""".split()
)
values: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
spoken = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "system", "assistant", "tool"]) | values},
    optional=dict.fromkeys(
        ("content", "tool_calls", "tool_call_id", "reasoning_content", "thinking_blocks", "provider_blocks", "name"),
        values,
    ),
)
parameters = st.dictionaries(
    st.sampled_from(
        """tools tool_choice temperature top_p top_k stop max_tokens frequency_penalty logprobs response_format
        reasoning_effort thinking n stream parallel_tool_calls documents query input encoding_format input_type
        return_documents user""".split()
    ),
    values | st.lists(st.fixed_dictionaries({"type": st.just("function"), "function": values}), max_size=2),
    max_size=6,
)


@given(st.lists(spoken | values, max_size=4) | values, parameters)
def test_any_request(messages: Json, more: JsonObject) -> None:
    body: JsonObject = {**more, "model": "m", "messages": messages}
    for operation in (CHAT, Embeddings(), Rerank()):
        asked = ask()
        with suppress(InvalidRequest):
            sent = orjson.loads(operation.encode(body, asked).body)
            assert sent["model"] == asked.model


@given(st.dictionaries(words, values, max_size=5) | values)
def test_any_answer(document: Json) -> None:
    body = json.dumps(document).encode()
    packing = Embeddings()
    packing.encode({"input": "a", "encoding_format": "base64"}, ask())
    for operation in (CHAT, Embeddings(), packing, Rerank()):
        with suppress(UpstreamError):
            assert operation.decode(body, ask())["model"] == "command-a-03-2025"
        assert operation.error(500, (), body).status >= 400
