"""The Responses request as a chat request."""

from ...errors import InvalidRequest
from ...wire.values import Json, JsonObject, count, items, obj, text
from ..ask import Ask
from .history import History
from .tools import Tools, choose

_SAME = (
    "temperature", "top_p", "user", "safety_identifier", "service_tier", "prompt_cache_key", "prompt_cache_retention",
    "prompt_cache_options", "moderation",
)  # fmt: skip
"""Members that chat has under the same name."""

_READ = frozenset(
    (
        *_SAME, "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning",
        "max_output_tokens", "top_logprobs", "include", "stream", "stream_options", "metadata", "background", "conversation",
        "previous_response_id", "prompt",
    )
)  # fmt: skip
"""Members that are translated, echoed, or refused below; all others are dropped with a note unless they say the default."""

_DEFAULTS: dict[str, Json] = {"store": False, "truncation": "disabled", "max_tool_calls": None}

_STATEFUL: dict[str, str] = {
    "previous_response_id": "send the earlier items in input",
    "conversation": "send the earlier items in input",
    "prompt": "send the prompt's text in instructions and input",
}
"""What refers to things that OpenAI stores and this gateway does not, and what to do instead."""

_INCLUDED = frozenset(("reasoning.encrypted_content", "message.output_text.logprobs"))


def chat_request(body: JsonObject, tools: Tools, ask: Ask) -> JsonObject:
    """``body`` as a chat request; ``tools`` learns the tools. Raises ``InvalidRequest``."""
    _refuse(body)
    found: JsonObject = {"model": ask.model, "messages": [*_messages(body, ask)]}
    for name in _SAME:
        if body.get(name) is not None:
            found[name] = body[name]
    functions = tools.functions(body.get("tools"), ask)
    if functions:
        found["tools"] = [*functions]
        choose(body.get("tool_choice"), tools, found, ask)
        if isinstance(body.get("parallel_tool_calls"), bool):
            found["parallel_tool_calls"] = body["parallel_tool_calls"]
    _cap(body, found, ask)
    _text(obj(body.get("text")), found, ask)
    _reasoning(obj(body.get("reasoning")), found, ask)
    _logprobs(body, found, ask)
    if body.get("stream") is True:
        found["stream"] = True
        found["stream_options"] = {"include_usage": True}
    for name, value in body.items():
        if name not in _READ and value is not None and (name not in _DEFAULTS or value != _DEFAULTS[name]):
            ask.notes.drop(name)
    return found


def _refuse(body: JsonObject) -> None:
    for name, fix in _STATEFUL.items():
        if body.get(name) is not None:
            raise InvalidRequest(
                f"{name} is not supported with this model: the gateway stores no responses. Instead, {fix}.",
                param=name,
                code="unsupported_parameter",
            )
    if body.get("background") is True:
        raise InvalidRequest(
            "background is not supported with this model: the gateway stores no responses. Use stream instead.",
            param="background",
            code="unsupported_parameter",
        )


def _messages(body: JsonObject, ask: Ask) -> list[JsonObject]:
    history = History(ask)
    instructions = body.get("instructions")
    if isinstance(instructions, str):
        if instructions:
            history.messages.append({"role": "system", "content": instructions})
    else:
        _items(instructions, "instructions", history)
    given = body.get("input")
    if isinstance(given, str):
        history.messages.append({"role": "user", "content": given})
    elif isinstance(given, list) and given:
        _items(given, "input", history)
    else:
        raise InvalidRequest("input: a string or a list of items is required.", param="input")
    found = history.finish()
    if not found:
        raise InvalidRequest("input: it holds no item that this model can read.", param="input")
    return found


def _items(given: Json, where: str, history: History) -> None:
    for index, item in enumerate(items(given)):
        if not isinstance(item, dict):
            raise InvalidRequest(f"{where}.{index}: an item must be an object.", param=f"{where}.{index}")
        history.add(item, f"{where}.{index}")


def _cap(body: JsonObject, found: JsonObject, ask: Ask) -> None:
    given = body.get("max_output_tokens")
    if given is None:
        return
    if count(given) is None:
        raise InvalidRequest("max_output_tokens: a whole number is required.", param="max_output_tokens")
    found["max_completion_tokens" if ask.behaviour.completion_cap else "max_tokens"] = given


def _text(config: JsonObject, found: JsonObject, ask: Ask) -> None:
    if config.get("verbosity") is not None:
        found["verbosity"] = config["verbosity"]
    shape = obj(config.get("format"))
    kind = shape.get("type")
    if kind == "json_object":
        found["response_format"] = {"type": "json_object"}
    elif kind == "json_schema":
        schema = {
            name: shape[name] for name in ("name", "schema", "strict", "description") if shape.get(name) is not None
        }
        found["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif kind not in (None, "text"):
        ask.notes.drop("text.format")


def _reasoning(config: JsonObject, found: JsonObject, ask: Ask) -> None:
    if config.get("effort") is not None:
        found["reasoning_effort"] = config["effort"]
    for name, value in config.items():
        # A summary is what every provider's visible reasoning is; how long it is cannot be asked for.
        if name not in ("effort", "summary", "generate_summary") and value not in (None, "auto", "standard"):
            ask.notes.drop(f"reasoning.{name}")


def _logprobs(body: JsonObject, found: JsonObject, ask: Ask) -> None:
    include = [text(name) for name in items(body.get("include"))]
    for name in include:
        if name not in _INCLUDED:
            ask.notes.drop(f"include[].{name}")
    most = count(body.get("top_logprobs"))
    if most or "message.output_text.logprobs" in include:
        found["logprobs"] = True
        if most:
            found["top_logprobs"] = most
