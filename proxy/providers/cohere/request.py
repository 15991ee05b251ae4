"""A chat request as Cohere's. Source: Cohere's v2 chat reference: names, ranges and what excludes what."""

from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, count, number, obj, text
from .messages import messages_of
from .tools import add_tools

EXTENSIONS = ("documents", "citation_options", "safety_mode", "priority", "strict_tools")
"""Cohere's own members, passed on as they are."""

STOPS = 5
"""Stop sequences that Cohere takes."""

BUDGETS = {"minimal": 512, "low": 1024, "medium": 4096, "high": 16_384, "xhigh": 32_768, "max": 32_768}
"""Reasoning efforts in Cohere's tokens."""

_SAME = ("seed",)
_READ = frozenset(
    (
        "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k",
        "stop", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs", "tools", "tool_choice",
        "parallel_tool_calls", "response_format", "reasoning_effort", "thinking", *EXTENSIONS, *_SAME,
    )
)  # fmt: skip
_DEFAULTS: dict[str, Json] = {"n": 1, "store": False, "modalities": ["text"], "service_tier": "auto"}
"""What may be left out in silence, because it says what would happen anyway."""


def request_of(chat: JsonObject, ask: Ask) -> JsonObject:
    """The body of ``/v2/chat``. Raises ``InvalidRequest``."""
    found: JsonObject = {"model": ask.model, "messages": messages_of(chat.get("messages"), ask)}
    if ask.stream:
        found["stream"] = True
    for name in (*_SAME, *EXTENSIONS):
        if chat.get(name) is not None:
            found[name] = chat[name]
    _add_sampling(chat, found, ask)
    add_tools(chat, found, ask)
    _add_format(chat, found, ask)
    _add_thinking(chat, found, ask)
    if not chat.keys() <= _READ:
        for name, value in chat.items():
            if name not in _READ and value not in (None, {}, []) and _DEFAULTS.get(name) != value:
                ask.notes.drop(name[:64])
    return found


def _add_sampling(chat: JsonObject, found: JsonObject, ask: Ask) -> None:
    cap = chat.get("max_completion_tokens")
    if cap is None:
        cap = chat.get("max_tokens")
    if cap is not None:
        found["max_tokens"] = cap
    if chat.get("temperature") is not None:
        found["temperature"] = _within(chat["temperature"], 0, 1, "temperature", ask)
    if chat.get("top_p") is not None:
        # 1 is OpenAI's default and Cohere's 0.99 the same in all but name.
        found["p"] = 0.99 if chat["top_p"] == 1 else _within(chat["top_p"], 0.01, 0.99, "top_p", ask)
    if chat.get("top_k") is not None:
        found["k"] = _within(chat["top_k"], 0, 500, "top_k", ask)
    for name in ("frequency_penalty", "presence_penalty"):
        if chat.get(name):
            found[name] = _within(chat[name], 0, 1, name, ask)
    if chat.get("logprobs"):
        found["logprobs"] = True
    if chat.get("top_logprobs"):
        ask.notes.drop("top_logprobs")
    stop = chat.get("stop")
    if stop:
        stops: list[Json] = stop if isinstance(stop, list) else [stop]
        if len(stops) > STOPS:
            ask.notes.rewrite("stop")
        found["stop_sequences"] = stops[:STOPS]


def _within(value: Json, low: float, high: float, name: str, ask: Ask) -> Json:
    """``value`` moved into the range that Cohere takes; what is no number is left for Cohere to refuse."""
    amount = number(value)
    if amount is None or low <= amount <= high:
        return value
    ask.notes.rewrite(name)
    return low if amount < low else high


def _add_format(chat: JsonObject, found: JsonObject, ask: Ask) -> None:
    wanted = obj(chat.get("response_format"))
    kind = wanted.get("type")
    if kind not in ("json_object", "json_schema"):
        if kind not in (None, "text"):
            ask.notes.drop("response_format")
        return
    if "tools" in found or "documents" in found:
        # Cohere refuses the two together, and the tools are what the answer is made of.
        ask.notes.drop("response_format")
        return
    schema = wanted.get("json_schema")
    if kind == "json_schema":
        schema = obj(schema).get("schema")
    found["response_format"] = (
        {"type": "json_object"} if schema is None else {"type": "json_object", "json_schema": schema}
    )


def _add_thinking(chat: JsonObject, found: JsonObject, ask: Ask) -> None:
    """``reasoning_effort``, or ``thinking`` in Cohere's or Anthropic's form. Reasoning models think unless told not to."""
    asked, effort = obj(chat.get("thinking")), text(chat.get("reasoning_effort"))
    if not asked and not effort:
        return
    name = "thinking" if asked else "reasoning_effort"
    off = asked.get("type") == "disabled" if asked else effort == "none"
    if ask.info is not None and not ask.info.reasoning:
        if not off:
            ask.notes.drop(name)
        return
    if off:
        found["thinking"] = {"type": "disabled"}
        return
    thinking: JsonObject = {"type": "enabled"}
    budget = count(asked.get("token_budget")) or count(asked.get("budget_tokens")) if asked else BUDGETS.get(effort)
    if budget is None and not asked:
        ask.notes.rewrite(name)
    elif budget is not None:
        cap = count(found.get("max_tokens"))
        # An answer needs room behind the thoughts.
        thinking["token_budget"] = min(budget, max(1, cap * 3 // 4)) if cap and not asked else budget
    found["thinking"] = thinking
