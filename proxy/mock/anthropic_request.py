"""What a Messages request asks for, checked as Anthropic's API checks it (versions 2023-06-01 and 2026-10-21)."""

import re

import orjson

from .anthropic_messages import check_messages
from .claude import Claude, claude
from .compose import Tool, Wish
from .reply import Call, Object, Refused
from .text import text_tokens

VERSIONS = ("2023-06-01", "2026-10-21", "vertex-2023-10-16", "bedrock-2023-05-31")
_FIELDS = frozenset(
    "model messages system max_tokens stream stop_sequences temperature top_p top_k tools tool_choice metadata thinking "
    "output_config output_format service_tier container mcp_servers context_management cache_control inference_geo speed "
    "diagnostics user_profile_id workspace_id fallbacks compaction anthropic_version anthropic_beta".split()
)
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_PER_MEDIA = 85


def refuse(message: str) -> Refused:
    return Refused(message)


def version_of(call: Call) -> str:
    """Return the API version, which the header or (at Vertex and Bedrock) the body tells."""
    found = call.headers.get("anthropic-version") or call.document().get("anthropic_version")
    if not found:
        raise refuse("anthropic-version: header is required")
    if found not in VERSIONS:
        raise refuse(f'anthropic-version: "{found}" is not a valid version')
    return str(found)


def check(document: Object, model: str, version: str, *, counting: bool = False) -> Claude:
    """Refuse what the API refuses; return the limits of the model."""
    if model.startswith("missing-"):
        raise Refused(f"model: {model}", status=404)
    limits = claude(model)
    for name in document:
        if name not in _FIELDS or (counting and name in ("max_tokens", "stream")):
            raise refuse(f"{name}: Extra inputs are not permitted")
    if not counting:
        _check_max_tokens(document, limits)
    _check_sampling(document, limits, version)
    _check_stops(document)
    _check_system(document)
    _check_tools(document, limits)
    _check_thinking(document, limits)
    thinking = _thinking(document) == "enabled"
    check_messages(document, limits, version, thinking=thinking)
    if (marks := orjson.dumps(document).count(b'"cache_control":{')) > 4:
        raise refuse(f"A maximum of 4 blocks with cache_control may be provided. Found {marks}.")
    return limits


def _check_max_tokens(document: Object, limits: Claude) -> None:
    most = document.get("max_tokens")
    if most is None:
        raise refuse("max_tokens: Field required")
    if isinstance(most, bool) or not isinstance(most, int):
        raise refuse("max_tokens: Input should be a valid integer")
    if most < 0:
        raise refuse("max_tokens: Input should be greater than or equal to 0")
    if most > limits.longest:
        raise refuse(
            f"max_tokens: {most} > {limits.longest}, which is the maximum allowed number of output tokens for "
            f"{document.get('model')}"
        )
    if not isinstance(document.get("stream", False), bool):
        raise refuse("stream: Input should be a valid boolean")


def _check_sampling(document: Object, limits: Claude, version: str) -> None:
    for name, most in (("temperature", 1.0), ("top_p", 1.0), ("top_k", 500)):
        value = document.get(name)
        if name not in document:
            continue
        if version == "2026-10-21":
            raise refuse(f"{name}: Extra inputs are not permitted")
        if not limits.sampling:
            raise refuse(f"`{name}` is not supported on this model")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refuse(f"{name}: Input should be a valid number")
        if value > most:
            raise refuse(f"{name}: range: 0..{most:g}")
    if "temperature" in document and "top_p" in document:
        raise refuse("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")


def _check_stops(document: Object) -> None:
    stops = document.get("stop_sequences")
    if stops is None:
        return
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise refuse("stop_sequences: Input should be a valid list of strings")
    if any(not stop.strip() for stop in stops):
        raise refuse("stop_sequences: each stop sequence must contain non-whitespace")


def _check_system(document: Object) -> None:
    system = document.get("system")
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise refuse("system: Input should be a valid list")
    for index, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text" or not isinstance(block.get("text"), str):
            raise refuse(f"system.{index}: Input should be a text block")
        if not block["text"].strip():
            raise refuse("system: text content blocks must be non-empty")


def _tools(document: Object) -> list[Object]:
    tools = document.get("tools")
    if tools is None:
        return []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise refuse("tools: Input should be a valid list of objects")
    return tools


def _check_tools(document: Object, limits: Claude) -> None:
    tools = _tools(document)
    names: set[object] = set()
    for index, tool in enumerate(tools):
        name = tool.get("name")
        if tool.get("type") not in (None, "custom"):
            continue
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise refuse(f"tools.{index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if name in names:
            raise refuse("tools: Tool names must be unique.")
        names.add(name)
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
            raise refuse(f"tools.{index}.custom.input_schema: Field required")
        if any(word in schema for word in ("anyOf", "oneOf", "allOf")):
            raise refuse(
                f"tools.{index}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"
            )
        if schema.get("type") != "object":
            raise refuse(f"tools.{index}.custom.input_schema.type: Input should be 'object'")
    choice = document.get("tool_choice")
    if choice is None:
        return
    if not isinstance(choice, dict) or choice.get("type") not in ("auto", "any", "tool", "none"):
        raise refuse("tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'")
    if not tools:
        raise refuse("tool_choice: tool_choice may only be specified while providing tools")
    if choice["type"] == "none" and "disable_parallel_tool_use" in choice:
        raise refuse("tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted")
    if choice["type"] == "tool" and choice.get("name") not in {tool.get("name") for tool in tools}:
        raise refuse(f"Tool '{choice.get('name')}' not found in provided tools")
    if choice["type"] in ("any", "tool"):
        if not limits.forced_tools:
            raise refuse("tool_choice: forced tool use is not supported on this model")
        if _thinking(document) == "enabled":
            raise refuse("Thinking may not be enabled when tool_choice forces tool use.")


def _thinking(document: Object) -> str:
    thinking = document.get("thinking")
    return str(thinking.get("type")) if isinstance(thinking, dict) else ""


def _check_thinking(document: Object, limits: Claude) -> None:
    kind = _thinking(document)
    if not kind:
        if document.get("thinking") is not None:
            raise refuse("thinking: Input should be a valid dictionary")
        return
    thinking = document["thinking"]
    if kind not in ("enabled", "adaptive", "disabled", "between_tools"):
        raise refuse("thinking: Input tag does not match any of the expected tags: 'enabled', 'adaptive', 'disabled'")
    if kind == "enabled":
        if limits.thinking in ("adaptive", "always"):
            raise refuse('"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".')
        budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
        if not isinstance(budget, int):
            raise refuse("thinking.enabled.budget_tokens: Field required")
        if budget < 1024:
            raise refuse("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        most = document.get("max_tokens")
        if isinstance(most, int) and budget >= most:
            raise refuse("`max_tokens` must be greater than `thinking.budget_tokens`.")
        if document.get("temperature", 1) != 1:
            raise refuse("`temperature` may only be set to 1 when thinking is enabled.")
        if "top_k" in document:
            raise refuse("`top_k` must be unset when thinking is enabled.")
    if kind == "adaptive" and limits.thinking == "manual":
        raise refuse("adaptive thinking is not supported on this model")
    if kind == "disabled" and limits.thinking == "always":
        raise refuse('"thinking.type.disabled" is not supported for this model.')


def shows_thoughts(document: Object, limits: Claude) -> bool:
    """Say whether thinking comes with its text, not only with a signature."""
    thinking = document.get("thinking")
    shown = thinking.get("display") if isinstance(thinking, dict) else None
    return (shown or limits.display) != "omitted"


def wish_of(document: Object, limits: Claude) -> Wish:
    """Return what the answer has to be."""
    messages = document["messages"]
    assert isinstance(messages, list)
    raw = document.get("tool_choice")
    choice: Object = raw if isinstance(raw, dict) else {}
    tools = [tool for tool in _tools(document) if tool.get("type") in (None, "custom")]
    if choice.get("type") == "tool":
        tools = [tool for tool in tools if tool.get("name") == choice.get("name")]
    forced = choice.get("type") in ("any", "tool")
    most, stops = document.get("max_tokens"), document.get("stop_sequences")
    return Wish(
        limit=most if isinstance(most, int) else None,
        stop=stops if isinstance(stops, list) else (),
        schema=_schema(document),
        tools=[Tool(str(tool["name"]), _object(tool.get("input_schema"))) for tool in tools],
        forced=forced,
        allowed=choice.get("type") != "none" and (forced or not _answers_tool(messages[-1])),
        thinks=_thinking(document) in ("enabled", "adaptive") or (limits.thinking == "always"),
        most_calls=1 if choice.get("disable_parallel_tool_use") is True else None,
    )


def _object(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def _schema(document: Object) -> Object | None:
    form = _object(document.get("output_config")).get("format") or document.get("output_format")
    schema = _object(form).get("schema")
    return schema if isinstance(schema, dict) else None


def _answers_tool(message: object) -> bool:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return False
    return any(isinstance(block, dict) and block.get("type") == "tool_result" for block in content)


def prompt_tokens(document: Object) -> tuple[int, int]:
    """Return the tokens of the prompt, and how many of them lie before the last mark of the cache."""
    total, cached = 3, 0
    everything: list[object] = [*_tools(document)]
    system = document.get("system")
    everything += system if isinstance(system, list) else [system] if system else []
    messages = document["messages"]
    for message in messages if isinstance(messages, list) else ():
        total += 4
        content = message.get("content") if isinstance(message, dict) else None
        everything += content if isinstance(content, list) else [content]
    for block in everything:
        total += _block_tokens(block)
        if isinstance(block, dict) and block.get("cache_control"):
            cached = total
    if document.get("cache_control"):
        cached = total
    return total, cached


def _block_tokens(block: object) -> int:
    if isinstance(block, str):
        return text_tokens(block)
    if not isinstance(block, dict):
        return 0
    if block.get("type") in ("image", "document"):
        return _PER_MEDIA
    if isinstance(block.get("text"), str):
        return text_tokens(str(block["text"]))
    kept = {name: value for name, value in block.items() if name not in ("cache_control", "signature")}
    return text_tokens(orjson.dumps(kept).decode())
