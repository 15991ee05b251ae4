"""A chat request as a Converse request."""

import re
from functools import lru_cache
from urllib.parse import quote

from ...errors import InvalidRequest
from ...translation.ask import Ask, Encoded
from ...wire.values import Json, JsonObject, count, number, obj, objects, text
from .conversation import Conversation
from .draft import Draft, reserve, written
from .reasoning import reasoning, unlimited
from .structured import structured
from .tools import tool_config

NATIVE_FIELDS = (
    "guardrailConfig",
    "performanceConfig",
    "promptVariables",
    "additionalModelResponseFieldPaths",
)
"""Converse's own members, taken from a chat request as they are."""

_READ = frozenset(
    (
        "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k",
        "stop", "tools", "tool_choice", "functions", "function_call", "parallel_tool_calls", "response_format",
        "reasoning_effort", "reasoning", "thinking", "user", "safety_identifier", "metadata", "requestMetadata", "service_tier",
        "cache_control", "store", "prompt_cache_key", "prompt_cache_retention", "additionalModelRequestFields", *NATIVE_FIELDS,
    )
)  # fmt: skip
"""Fields that are translated, or that the gateway acts on itself."""

_DEFAULTS: dict[str, tuple[Json, ...]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
}
"""Values that change nothing, so that leaving them out is no loss."""

BETAS = frozenset(
    """interleaved-thinking-2025-05-14 context-1m-2025-08-07 computer-use-2025-01-24 computer-use-2025-11-24
    token-efficient-tools-2025-02-19 fine-grained-tool-streaming-2025-05-14 output-128k-2025-02-19 dev-full-thinking-2025-05-14
    context-management-2025-06-27 tool-search-tool-2025-10-19 tool-examples-2025-10-29 effort-2025-11-24""".split()
)
"""Anthropic's betas that Bedrock knows; it refuses a request with any other."""

_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}")
_METADATA_LIMIT = 16
_TIERS = ("default", "flex", "priority", "reserved")


@lru_cache(maxsize=1024)
def path_of(model: str, operation: str) -> str:
    """``/model/{id}/{operation}``; colons and slashes of the id are escaped, as the signature expects them."""
    return f"/model/{quote(model, safe='')}/{operation}"


def encode(chat: JsonObject, ask: Ask, guardrail: JsonObject | None = None) -> Encoded:
    """``guardrail``: the operator's ``guardrailConfig``, which a request cannot replace. Raises ``InvalidRequest``."""
    draft = Draft(ask)
    for name, value in chat.items():
        if name not in _READ and value is not None and not _usual(name, value):
            ask.notes.drop(name[:64])
    reserve(chat, draft)
    conversation = Conversation(draft)
    for message in _messages(chat):
        conversation.add(message)
    cap = reasoning(chat, _cap(chat, draft), draft, unthought=conversation.unthought)
    conversation.end()
    inference = _inference(chat, cap, draft)
    shape = structured(chat, tool_config(chat, conversation, draft), draft)
    _betas(draft)
    _cached(chat, conversation, draft)
    body: JsonObject = {"messages": [*conversation.turns]}
    _instruct(conversation, draft)
    if conversation.system:
        body["system"] = [*conversation.system]
    body.update(
        (name, found) for name, found in (("inferenceConfig", inference), ("toolConfig", shape.config)) if found
    )
    if shape.output is not None:
        body["outputConfig"] = shape.output
    _beside(chat, body, draft, guardrail)
    streams = ask.stream and not ask.whole
    return Encoded(path=path_of(ask.model, "converse-stream" if streams else "converse"), body=written(body))


def _usual(name: str, value: Json) -> bool:
    """Does the value say what holds anyway?"""
    usual = _DEFAULTS.get(name)
    return usual is not None and value in usual


def _messages(chat: JsonObject) -> list[JsonObject]:
    messages = chat.get("messages")
    if not isinstance(messages, list) or not messages or any(not isinstance(found, dict) for found in messages):
        raise InvalidRequest("'messages' must be a list of at least one message.", param="messages")
    return objects(messages)


# ---- inferenceConfig ------------------------------------------------------------------------------------------------
def _cap(chat: JsonObject, draft: Draft) -> int | None:
    """The answer's limit in tokens; Claude's own default is too small, so its largest is sent."""
    ask = draft.ask
    largest = (ask.info.max_output if ask.info is not None else None) or ask.behaviour.max_output
    for name in ("max_completion_tokens", "max_tokens"):
        value = chat.get(name)
        if value is None:
            continue
        cap = count(value)
        if not cap:
            raise InvalidRequest(f"{name!r} must be a whole number of at least 1.", param=name)
        if largest is not None and cap > largest:
            draft.notes.rewrite(name)
        return min(cap, largest or cap)
    return largest if draft.family.name == "claude" else None


def _inference(chat: JsonObject, cap: int | None, draft: Draft) -> JsonObject:
    found: JsonObject = {}
    if cap is not None:
        found["maxTokens"] = cap
    temperature, top_p = _fraction(chat, "temperature", draft), _fraction(chat, "top_p", draft)
    free = draft.ask.behaviour.sampling == "yes" and not draft.thinks and not unlimited(draft)
    if temperature is not None and (free or (draft.thinks and temperature == 1)):
        found["temperature"] = temperature
    elif temperature not in (None, 1):
        draft.notes.drop("temperature")
    both = draft.family.name == "claude" and "temperature" in found and temperature != 1
    if top_p is not None and ((draft.thinks and top_p >= _LEAST_TOP_P) or (free and not both)):
        found["topP"] = top_p
        if draft.family.name == "claude":
            found.pop("temperature", None)
    elif top_p not in (None, 1):
        draft.notes.drop("top_p")
    _top_k(chat, draft, free=free)
    stop = _stop(chat, draft)
    if stop:
        found["stopSequences"] = [*stop]
    return found


_LEAST_TOP_P = 0.95
"""The least that Claude takes while it thinks by a budget."""


def _fraction(chat: JsonObject, name: str, draft: Draft) -> float | int | None:
    """A number that Converse takes from 0 to 1 alone."""
    value = chat.get(name)
    if value is None:
        return None
    given = number(value)
    if given is None:
        raise InvalidRequest(f"{name!r} must be a number.", param=name)
    kept = min(max(given, 0), 1)
    if kept != given:
        draft.notes.rewrite(name)
    return kept


def _top_k(chat: JsonObject, draft: Draft, *, free: bool) -> None:
    value = chat.get("top_k")
    if value is None:
        return
    where = draft.family.top_k
    if count(value) is None:
        raise InvalidRequest("'top_k' must be a whole number of at least 0.", param="top_k")
    if not where or not free:
        draft.notes.drop("top_k")
    elif where == "top_k":
        draft.additional["top_k"] = value
    else:
        draft.additional["inferenceConfig"] = {"topK": value}


def _stop(chat: JsonObject, draft: Draft) -> list[str]:
    """Stop sequences; those that the model does not take are enforced on its answer."""
    value = chat.get("stop")
    given = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    listed = list(dict.fromkeys(found for item in given if (found := text(item))))
    if not listed:
        return []
    if not draft.family.stop or not draft.ask.behaviour.stop:
        draft.ask.stop = tuple(listed)
        return []
    if draft.family.name != "claude":
        return listed
    kept = [found for found in listed if not found.isspace()]
    if len(kept) < len(listed):
        draft.notes.drop("stop")
    return kept


# ---- the rest -------------------------------------------------------------------------------------------------------
def _instruct(conversation: Conversation, draft: Draft) -> None:
    """Our own sentences join the system prompt; a model that has none gets all of it before the user's first words."""
    conversation.system += [{"text": sentence} for sentence in draft.instructions]
    if not conversation.system or (draft.family.system and draft.ask.behaviour.system_role != "none"):
        return
    draft.notes.rewrite("messages[].role")
    said = [block for block in conversation.system if "text" in block]
    conversation.system.clear()
    first = conversation.turns[0]
    together = [*said, *objects(first["content"])]
    first["content"] = [*together]


def _cached(chat: JsonObject, conversation: Conversation, draft: Draft) -> None:
    """A mark for the whole request stands after its last block."""
    point = draft.cache_point(chat.get("cache_control"))
    if point:
        last = conversation.turns[-1]
        together = [*objects(last["content"]), *point]
        last["content"] = [*together]


def _betas(draft: Draft) -> None:
    value = draft.ask.headers.get(b"anthropic-beta")
    if value is None:
        return
    named = [name.strip() for name in value.decode("latin-1").split(",") if name.strip()]
    known: list[Json] = [name for name in named if name in BETAS and draft.family.name == "claude"]
    if len(known) < len(named):
        draft.notes.drop("anthropic-beta")
    if known:
        draft.additional["anthropic_beta"] = known


def _beside(chat: JsonObject, body: JsonObject, draft: Draft, guardrail: JsonObject | None) -> None:
    """Members of a Converse request besides the conversation, inference and tools."""
    additional = {**draft.additional, **obj(chat.get("additionalModelRequestFields"))}
    if additional:
        body["additionalModelRequestFields"] = additional
    metadata = _metadata(chat, draft)
    if metadata:
        body["requestMetadata"] = metadata
    tier = chat.get("service_tier")
    if tier in _TIERS:
        body["serviceTier"] = {"type": tier}
    elif tier not in (None, "auto"):
        draft.notes.drop("service_tier")
    for name in NATIVE_FIELDS:
        if chat.get(name) is not None:
            body[name] = chat[name]
    if guardrail is not None:
        body["guardrailConfig"] = guardrail
    found = body.get("guardrailConfig")
    if isinstance(found, dict) and not (draft.ask.stream and not draft.ask.whole):
        body["guardrailConfig"] = {name: value for name, value in found.items() if name != "streamProcessingMode"}


def _metadata(chat: JsonObject, draft: Draft) -> JsonObject:
    """Pairs that AWS writes to its invocation log; what its pattern does not admit is left out."""
    given: JsonObject = {**obj(chat.get("metadata")), **obj(chat.get("requestMetadata"))}
    for name in ("user", "safety_identifier"):
        if chat.get(name) is not None:
            given.setdefault(name, chat[name])
    found: JsonObject = {}
    for name, value in given.items():
        if len(found) < _METADATA_LIMIT and _METADATA.fullmatch(name) and _METADATA.fullmatch(text(value)):
            found[name] = value
        else:
            draft.notes.drop(name if name in ("user", "safety_identifier") else "metadata")
    return found
