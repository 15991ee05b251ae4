"""Providers that speak OpenAI's dialect with an accent: what they refuse, how their chunks and errors look.

Each is one row of FLAVOURS; docs/mock.md has the table. The facts are of November 2026.
"""

from itertools import pairwise

from . import flavour_errors as errors
from . import flavour_streams as steps
from .dialect import Dialect
from .flavour import Flavour, dialect_of
from .flavour_streams import Chunk, Chunks
from .reply import Call, Object, Refused


def _strict_order(call: Call) -> None:
    """Mistral: no user right after a tool, and no assistant last unless it is a prefix."""
    messages = call.document().get("messages")
    roles = (
        [message.get("role") for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []
    )
    for before, role in pairwise(roles):
        if before == "tool" and role == "user":
            raise Refused("Unexpected role 'user' after role 'tool'")
    if roles and roles[-1] == "assistant":
        raise Refused("Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant")


def _thoughts_return(call: Call) -> None:
    """DeepSeek: in thinking mode, tool calls of the history come with their thoughts."""
    document = call.document()
    thinking = document.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled":
        return
    messages = document.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict) and message.get("tool_calls") and not message.get("reasoning_content"):
            raise Refused("The reasoning_content in the thinking mode must be passed back to the API.")


def _single(call: Call) -> None:
    """Groq: one choice, and no names."""
    document = call.document()
    if document.get("n") not in (None, 1):
        raise Refused("'n' : number must be at most 1", param="n")
    messages = document.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        if isinstance(message, dict) and "name" in message:
            raise Refused(f"property 'messages.{index}.name' is unsupported")


def _cache_counts(usage: Chunk) -> Chunk:
    prompt = usage["prompt_tokens"]
    return {**usage, "prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": prompt}


def _without_thoughts(usage: Chunk) -> Chunk:
    """xAI: completion_tokens leave the thoughts out, total_tokens do not."""
    details = usage.get("completion_tokens_details") or {}
    return {**usage, "completion_tokens": usage["completion_tokens"] - details.get("reasoning_tokens", 0)}


def _split_thoughts(chunks: Chunks, call: Call) -> Chunks:
    """MiniMax: tags, unless `reasoning_split` asks for details."""
    if call.document().get("reasoning_split") is True:
        return steps.detailed(steps.renamed("reasoning")(chunks, call), call)
    return steps.tagged(chunks, call)


def _thinking_part(thought: str) -> Object:
    return {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}


def _summary_part(thought: str) -> Object:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": thought}]}


def _text(choice: Chunk) -> str:
    return choice["delta"].get("content") or ""


_ROWS = (
    Flavour(
        name="mistral",
        doc="Content as an array when it thinks, tool ids of nine characters, flat errors, 422 for fields it does not know.",
        error=errors.mistral,
        stream=(
            steps.parted(_thinking_part),
            steps.tool_ids(lambda key, name, index: key[-9:]),
            steps.whole_calls,
            steps.usage_in_finish,
            steps.without("system_fingerprint", "service_tier"),
            steps.members(p="abcdefgh"),
        ),
        refuses=("stream_options", "logprobs", "logit_bias", "user", "store", "max_completion_tokens", "seed"),
        status=422,
        check=_strict_order,
        names_embeddings=True,
        headers=((b"mistral-correlation-id", b"mock"), (b"x-ratelimit-remaining-req-minute", b"59")),
    ),
    Flavour(
        name="groq",
        doc="Thoughts in `reasoning`, usage in `x_groq`, errors of a stream as `event: error`; `compound` models change the id.",
        error=errors.with_status,
        stream=(steps.renamed("reasoning"), steps.other_ids, steps.usage_in_x_groq),
        refuses=("logprobs", "logit_bias", "top_logprobs"),
        check=_single,
        broken=lambda body: b"event: error\ndata: " + body + b"\n\n",
        headers=((b"x-ratelimit-limit-requests", b"14400"), (b"x-ratelimit-reset-requests", b"6s")),
    ),
    Flavour(
        name="xai",
        doc="`error` is a text; calls whole in one chunk with `stop`; `\"\"` while it goes on; counts without thoughts.",
        error=errors.text,
        stream=(
            steps.whole_calls,
            steps.finishing(tool_calls="stop", none=""),
            steps.usage_members(_without_thoughts),
        ),
    ),
    Flavour(
        name="openrouter",
        doc="Comments, role in every delta, `reasoning` and `reasoning_details`, errors with numbers, usage beside a choice.",
        error=errors.numbered,
        stream=(
            steps.renamed("reasoning"),
            steps.detailed,
            steps.role_everywhere,
            steps.choice_members(native_finish_reason=lambda choice: choice["finish_reason"]),
            steps.usage_beside_empty_delta,
            steps.usage_members(lambda usage: {**usage, "cost": 0.00014, "is_byok": False}),
            steps.members(provider="Mock"),
            steps.comment(b"OPENROUTER PROCESSING"),
        ),
        broken=lambda body: (
            b'data: {"id":"gen-1","object":"chat.completion.chunk","created":0,"model":"odd","choices":[{"index":0,"delta":'
            b'{"content":""},"finish_reason":"error"}],' + body[1:] + b"\n\n"
        ),
    ),
    Flavour(
        name="deepseek",
        doc="`null` beside thoughts, usage in the finish chunk, keep-alive comments and empty lines; thoughts must come back.",
        stream=(
            steps.nulled,
            steps.usage_in_finish,
            steps.usage_members(_cache_counts),
            steps.comment(b"keep-alive"),
        ),
        check=_thoughts_return,
        lead=b"\n\n\n",
    ),
    Flavour(
        name="perplexity",
        doc="The message so far beside each delta, citations late, `<think>` in the text, usage in every chunk, no tools.",
        stream=(steps.tagged, steps.usage_everywhere, steps.cumulative),
        refuses=("tools", "functions", "n", "logprobs", "stop"),
    ),
    Flavour(
        name="minimax",
        doc="`base_resp` in every answer; an error is a 200 with another `status_code`; `<think>` or `reasoning_split`.",
        error=errors.minimax,
        stream=(
            _split_thoughts,
            steps.usage_in_finish,
            steps.members(base_resp={"status_code": 0, "status_msg": ""}),
        ),
        errors_are_200=True,
    ),
    Flavour(
        name="zai",
        doc="Role in every delta, usage in the finish chunk, error codes that are numbers in text.",
        error=errors.zai,
        stream=(steps.role_everywhere, steps.usage_in_finish),
    ),
    Flavour(
        name="together",
        doc="`text`, `seed` and `token_id` in choices, `eos` for stop, thoughts in `reasoning`.",
        error=errors.with_id,
        stream=(
            steps.renamed("reasoning"),
            steps.choice_members(text=_text, seed=None, token_id=7),
            steps.finishing(stop="eos"),
            steps.usage_in_finish,
        ),
    ),
    Flavour(
        name="cerebras",
        doc="Flat errors, thoughts in `reasoning`, `time_info`; refuses penalties and logit_bias.",
        error=errors.flat,
        stream=(steps.renamed("reasoning"), steps.usage_in_finish, steps.members(time_info={"total_time": 0.1})),
        refuses=("frequency_penalty", "presence_penalty", "logit_bias"),
    ),
    Flavour(
        name="ollama",
        doc="Thoughts in `reasoning`, calls whole in one chunk; usage when asked.",
        stream=(steps.renamed("reasoning"), steps.whole_calls),
        always_usage=False,
    ),
    Flavour(
        name="vllm",
        doc="Thoughts in `reasoning`, codes that are numbers; an error event is followed by `[DONE]`.",
        error=errors.numbered_type,
        stream=(steps.renamed("reasoning"),),
        always_usage=False,
        broken=lambda body: b"data: " + body + b"\n\ndata: [DONE]\n\n",
    ),
    Flavour(
        name="moonshot",
        doc="Usage inside the choice of the finish chunk, tool ids such as `functions.look:0`.",
        stream=(steps.tool_ids(lambda key, name, index: f"functions.{name}:{index}"), steps.usage_in_choice),
    ),
    Flavour(
        name="databricks",
        doc="Thoughts as `reasoning` parts of an array; errors with `error_code`.",
        error=errors.databricks,
        stream=(steps.parted(_summary_part),),
        always_usage=False,
    ),
    Flavour(
        name="nvidia",
        doc="Problem documents for errors, `<think>` in the text.",
        error=errors.problem,
        stream=(steps.tagged,),
        always_usage=False,
    ),
    Flavour(
        name="cloudflare",
        doc="Errors in the envelope of its own API.",
        error=errors.cloudflare,
        stream=(steps.usage_in_finish,),
    ),
    Flavour(
        name="siliconflow",
        doc="Usage in every chunk; errors with a number and `data`.",
        error=errors.siliconflow,
        stream=(steps.usage_everywhere,),
    ),
)  # fmt: skip

ACCENTS: dict[str, Flavour] = {row.name: row for row in _ROWS}
FLAVOURS: dict[str, Dialect] = {row.name: dialect_of(row) for row in _ROWS}
