"""The Messages request as a chat request: every member of the body that is not a message or a tool."""

from hashlib import blake2b

from ...errors import InvalidRequest
from ...wire.values import Json, JsonObject, count, items, obj, text
from ..ask import Ask
from .blocks import assistant_message, system_message, user_messages
from .effort import reasoning_effort
from .tools import choose, function_tools

USER_LIMIT = 64
"""Characters of ``user`` that OpenAI takes; longer ids (coding agents send JSON) are hashed."""

_READ = frozenset(
    (
        "model", "messages", "system", "max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k", "tools",
        "tool_choice", "thinking", "output_config", "output_format", "metadata", "service_tier", "cache_control",
        "anthropic_version", "anthropic_beta",
    )
)  # fmt: skip
"""Members that are translated; the last two say what the headers say elsewhere. All others are dropped with a note."""

_DEFAULTS: dict[str, Json] = {"speed": "standard", "service_tier": "auto", "inference_geo": "global"}


def chat_request(body: JsonObject, ask: Ask) -> JsonObject:
    """``body`` as a chat request. Raises ``InvalidRequest`` for what Anthropic would refuse too."""
    found: JsonObject = {"model": ask.model, "messages": [*_messages(body, ask)]}
    _cap(body, found, ask)
    for name in ("temperature", "top_p", "top_k"):
        if body.get(name) is not None:
            found[name] = body[name]
    stops: list[Json] = [stop for stop in items(body.get("stop_sequences")) if isinstance(stop, str)]
    if stops:
        found["stop"] = stops
    tools = function_tools(body.get("tools"), ask)
    if tools:
        found["tools"] = [*tools]
        choose(obj(body.get("tool_choice")), tools, found, ask)
    effort = reasoning_effort(obj(body.get("thinking")), obj(body.get("output_config")), ask)
    if effort:
        found["reasoning_effort"] = effort
    _format(body, found, ask)
    _user(obj(body.get("metadata")), found, ask)
    if body.get("stream") is True:
        found["stream"] = True
        found["stream_options"] = {"include_usage": True}
    for name, value in body.items():
        if (name not in _READ or name == "service_tier") and value is not None and value != _DEFAULTS.get(name):
            ask.notes.drop(name)
    return found


def _messages(body: JsonObject, ask: Ask) -> list[JsonObject]:
    given = body.get("messages")
    if not isinstance(given, list) or not given:
        raise InvalidRequest("messages: a list of at least one message is required.", param="messages")
    found: list[JsonObject] = []
    system = body.get("system")
    if system:
        told = system_message(system, "system", ask)
        found += [told] if told is not None else []
    for index, each in enumerate(given):
        where = f"messages.{index}"
        if not isinstance(each, dict):
            raise InvalidRequest(f"{where}: a message must be an object.", param=where)
        role, content = each.get("role"), each.get("content")
        if not isinstance(content, str | list):
            raise InvalidRequest(
                f"{where}.content: a string or a list of blocks is required.", param=f"{where}.content"
            )
        if role == "user":
            found += user_messages(content, where, ask)
        elif role == "assistant":
            found.append(assistant_message(content, where, ask))
        elif role == "system":
            told = system_message(content, where, ask)
            found += [told] if told is not None else []
        else:
            raise InvalidRequest(f"{where}.role: use user, assistant or system.", param=f"{where}.role")
    if isinstance(body.get("cache_control"), dict):
        found[-1] = {**found[-1], "cache_control": body["cache_control"]}
    return found


def _cap(body: JsonObject, found: JsonObject, ask: Ask) -> None:
    """``max_tokens``, clamped to what the model can write: coding agents ask for 32000 to 64000 of any model."""
    given = body.get("max_tokens")
    if given is None:
        return
    cap = count(given)
    if cap is None:
        raise InvalidRequest("max_tokens: a whole number is required.", param="max_tokens")
    most = (ask.info.max_output if ask.info is not None else None) or ask.behaviour.max_output
    fitting = max(1, min(cap, most) if most else cap)
    if fitting != cap:
        ask.notes.rewrite("max_tokens")
    found["max_completion_tokens" if ask.behaviour.completion_cap else "max_tokens"] = fitting


def _format(body: JsonObject, found: JsonObject, ask: Ask) -> None:
    config = obj(body.get("output_config"))
    shape = obj(config.get("format")) or obj(body.get("output_format"))
    for name in config:
        if name not in ("effort", "format"):
            ask.notes.drop(f"output_config.{name}")
    if not shape:
        return
    if shape.get("type") != "json_schema" or not isinstance(shape.get("schema"), dict):
        ask.notes.drop("output_config.format")
        return
    schema: JsonObject = {"name": text(shape.get("name")) or "output", "schema": shape["schema"], "strict": True}
    found["response_format"] = {"type": "json_schema", "json_schema": schema}


def _user(metadata: JsonObject, found: JsonObject, ask: Ask) -> None:
    for name in metadata:
        if name != "user_id":
            ask.notes.drop(f"metadata.{name}")
    user = text(metadata.get("user_id"))
    if len(user) > USER_LIMIT:
        user = blake2b(user.encode("utf-8", "replace"), digest_size=16).hexdigest()
    if user:
        found["user"] = user
