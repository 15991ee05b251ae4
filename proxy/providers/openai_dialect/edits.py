"""Changes of a request that depend on several members, the model or a value: what a plain map of names cannot say."""

import re

from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, dumps_text, number, obj, objects, text
from .fields import Fields
from .messages import with_instruction
from .params import Edit, discard

_XAI_REASONS = re.compile(r"grok-(?:3-mini|[4-9]|build|code)")
_XAI_NO_EFFORT = re.compile(r"grok-(?:build|4\.20|4(?:-\d{4}|-latest|-fast)?$)")
_XAI_FROM_LOW = re.compile(r"grok-4\.7")
KIMI_REASONS = re.compile(r"kimi-k(?:2\.[5-9]|[3-9])|thinking")
"""Moonshot's models that reason and take one temperature alone."""
_QWEN_HYBRID = re.compile(r"^qwen3-\d+(?:\.\d+)?b(?:-a\d+b)?$")


def _forces(choice: Json) -> bool:
    """Does a ``tool_choice`` force a call?"""
    return isinstance(choice, dict) or choice in ("required", "any")


def _schema_as_instruction(fields: Fields, ask: Ask) -> None:
    form = obj(fields.get("response_format"))
    if form.get("type") != "json_schema":
        return
    schema = obj(form.get("json_schema")).get("schema")
    fields.set("response_format", {"type": "json_object"})
    instruction = f"Answer with one JSON object that is valid under this JSON schema: {dumps_text(schema)}"
    fields.set("messages", [*with_instruction(objects(fields.get("messages")), instruction)])
    ask.notes.rewrite("response_format")


SCHEMA_AS_INSTRUCTION = Edit(run=_schema_as_instruction, hints=(b'"json_schema"',))
"""No JSON schema here: JSON mode, and the schema in words."""


def _choice_auto(fields: Fields, ask: Ask) -> None:
    if _forces(fields.get("tool_choice")):
        fields.set("tool_choice", "auto")
        ask.notes.rewrite("tool_choice")


CHOICE_AUTO = Edit(run=_choice_auto, hints=(b'"tool_choice"',))
"""No call can be forced."""


def _choice_told(fields: Fields, ask: Ask) -> None:
    choice = fields.get("tool_choice")
    if choice != "required":
        return
    fields.set("tool_choice", "auto")
    instruction = "Answer by calling one of the tools."
    fields.set("messages", [*with_instruction(objects(fields.get("messages")), instruction)])
    ask.notes.rewrite("tool_choice")


CHOICE_TOLD = Edit(run=_choice_told, hints=(b'"tool_choice"',))
"""Moonshot: ``required`` becomes an instruction."""


def _choice_or_no_tools(fields: Fields, ask: Ask) -> None:
    if fields.get("tool_choice") == "none":
        fields.remove("tool_choice")
        fields.remove("tools")
        return
    _choice_auto(fields, ask)


CHOICE_OR_NO_TOOLS = Edit(run=_choice_or_no_tools, hints=(b'"tool_choice"',))
"""Z.ai knows ``auto`` alone; ``none`` is kept by sending no tools."""


# ---- tools ----------------------------------------------------------------------------------------------------------
def _functions_only(fields: Fields, ask: Ask) -> None:
    tools = objects(fields.get("tools"))
    kept = [tool for tool in tools if tool.get("type", "function") == "function"]
    if len(kept) == len(tools):
        return
    ask.notes.drop("tools[].custom")
    if kept:
        fields.set("tools", [*kept])
    else:
        fields.remove("tools")
        fields.remove("tool_choice")


FUNCTIONS_ONLY = Edit(run=_functions_only, hints=(b'"custom"',))
"""Tools that are no functions are refused."""


def _lax_tools(fields: Fields, ask: Ask) -> None:
    tools = objects(fields.get("tools"))
    if not any("strict" in obj(tool.get("function")) for tool in tools):
        return
    found: list[Json] = []
    for tool in tools:
        function = obj(tool.get("function"))
        if function.get("strict"):
            ask.notes.drop("tools[].function.strict")
        found.append({**tool, "function": {name: value for name, value in function.items() if name != "strict"}})
    fields.set("tools", found)


LAX_TOOLS = Edit(run=_lax_tools, hints=(b'"strict"',))
"""``strict`` is refused."""


def _plain_schemas(fields: Fields, ask: Ask) -> None:
    tools = objects(fields.get("tools"))
    found: list[Json] = []
    for tool in tools:
        function = obj(tool.get("function"))
        schema = obj(function.get("parameters"))
        if "$schema" in schema or "$id" in schema:
            kept: JsonObject = {name: value for name, value in schema.items() if name not in ("$schema", "$id")}
            found.append({**tool, "function": {**function, "parameters": kept}})
        else:
            found.append(tool)
    if found != [*tools]:
        fields.set("tools", found)


PLAIN_SCHEMAS = Edit(run=_plain_schemas, hints=(b'"$schema"', b'"$id"'))
"""Mistral refuses a schema that names its dialect; the names mean nothing to a model."""


# ---- sampling and reasoning -----------------------------------------------------------------------------------------
def _together_logprobs(fields: Fields, ask: Ask) -> None:
    if fields.get("logprobs") is True:
        fields.set("logprobs", 1)
    elif fields.get("logprobs") is False:
        fields.remove("logprobs")


TOGETHER_LOGPROBS = Edit(run=_together_logprobs, hints=(b'"logprobs"',))
"""``logprobs`` is a number here."""


def _fireworks_effort(fields: Fields, ask: Ask) -> None:
    if fields.get("thinking") is not None:
        discard(fields, "reasoning_effort", ask)


FIREWORKS_EFFORT = Edit(run=_fireworks_effort, hints=(b'"thinking"',))
"""Either ``thinking`` or ``reasoning_effort``."""


def _deepseek_thinking(fields: Fields, ask: Ask) -> None:
    effort = fields.get("reasoning_effort")
    if effort == "none":
        fields.remove("reasoning_effort")
        fields.set("thinking", {"type": "disabled"})
    elif effort in ("minimal", "low", "medium"):
        fields.set("reasoning_effort", "high")
        ask.notes.rewrite("reasoning_effort")
    elif effort == "xhigh":
        fields.set("reasoning_effort", "max")
        ask.notes.rewrite("reasoning_effort")
    thinks = obj(fields.get("thinking")).get("type", "enabled" if "chat" not in ask.model else "disabled") != "disabled"
    if not thinks:
        return
    for name in ("logprobs", "top_logprobs"):
        discard(fields, name, ask)
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty"):
        discard(fields, name, ask)
    _choice_auto(fields, ask)


DEEPSEEK_THINKING = Edit(run=_deepseek_thinking)
"""Thinking is on unless it is switched off; it overlooks sampling, refuses logprobs and forced calls, and knows two efforts."""


def _xai_reasoning(fields: Fields, ask: Ask) -> None:
    model = ask.model
    if "non-reasoning" in model or _XAI_REASONS.search(model) is None:
        discard(fields, "reasoning_effort", ask)
        return
    for name in ("presence_penalty", "frequency_penalty", "stop"):
        discard(fields, name, ask)
    if "grok-4.20" in model:
        for name in ("logprobs", "top_logprobs"):
            discard(fields, name, ask)
    if _XAI_NO_EFFORT.search(model) is not None:
        discard(fields, "reasoning_effort", ask)
    elif fields.get("reasoning_effort") in ("none", "minimal") and _XAI_FROM_LOW.search(model) is not None:
        fields.set("reasoning_effort", "low")
        ask.notes.rewrite("reasoning_effort")


XAI_REASONING = Edit(run=_xai_reasoning)
"""Reasoning models refuse penalties and stop; which efforts they take depends on the model."""


def _cerebras_tier(fields: Fields, ask: Ask) -> None:
    if fields.get("service_tier") in ("auto", "default", None):
        fields.remove("service_tier")
    if fields.get("parallel_tool_calls") is True:
        fields.remove("parallel_tool_calls")


CEREBRAS_DEFAULTS = Edit(run=_cerebras_tier, hints=(b'"service_tier"', b'"parallel_tool_calls"'))
"""Refused by some models even where they say the default."""


def _kimi_sampling(fields: Fields, ask: Ask) -> None:
    if KIMI_REASONS.search(ask.model) is not None:
        discard(fields, "temperature", ask)
        if number(fields.get("top_p")) != 0.95:
            discard(fields, "top_p", ask)
    several, temperature = number(fields.get("n")), number(fields.get("temperature"))
    if several is not None and several > 1 and temperature is not None and temperature < 0.3:
        fields.set("temperature", 0.3)
        ask.notes.rewrite("temperature")


KIMI_SAMPLING = Edit(run=_kimi_sampling, hints=(b'"temperature"', b'"top_p"'))
"""Reasoning models take temperature 1 and top_p 0.95 alone; several answers need some temperature."""


def _glm_sampling(fields: Fields, ask: Ask) -> None:
    if number(fields.get("temperature")) == 0:
        fields.remove("temperature")
        fields.set("do_sample", False)
    stop = fields.get("stop")
    if isinstance(stop, list) and len(stop) > 1:
        fields.set("stop", stop[:1])
        ask.notes.rewrite("stop")
    if fields.get("stream") is True and fields.get("tools") and "tool_stream" not in fields:
        fields.set("tool_stream", True)


GLM_SAMPLING = Edit(run=_glm_sampling)
"""Greedy decoding has a switch of its own, one stop sequence is taken, and arguments stream only when asked to."""


def _glm_thinking(fields: Fields, ask: Ask) -> None:
    effort = text(fields.get("reasoning_effort"))
    if not effort or "glm-5.3" in ask.model:
        return
    fields.remove("reasoning_effort")
    if "thinking" not in fields:
        fields.set("thinking", {"type": "disabled" if effort == "none" else "enabled"})
    if effort != "none":
        ask.notes.rewrite("reasoning_effort")


GLM_THINKING = Edit(run=_glm_thinking, hints=(b'"reasoning_effort"',))
"""Before GLM-5.3 thinking is on or off."""


def _qwen_thinking(fields: Fields, ask: Ask) -> None:
    effort = text(fields.get("reasoning_effort"))
    if effort and "deepseek-v4" not in ask.model:
        fields.remove("reasoning_effort")
        if "enable_thinking" not in fields:
            fields.set("enable_thinking", effort != "none")
        if effort != "none":
            ask.notes.rewrite("reasoning_effort")
    if (
        fields.get("stream") is not True
        and _QWEN_HYBRID.search(ask.model) is not None
        and "enable_thinking" not in fields
    ):
        fields.set("enable_thinking", False)
    if fields.get("enable_thinking") is True:
        _choice_auto(fields, ask)
        if obj(fields.get("response_format")).get("type") == "json_object":
            discard(fields, "response_format", ask)
    if fields.get("tools"):
        discard(fields, "n", ask)


QWEN_THINKING = Edit(run=_qwen_thinking)
"""Thinking is a switch; without a stream some open models refuse it, and it excludes JSON mode and forced calls."""


def _no_json_object(fields: Fields, ask: Ask) -> None:
    if obj(fields.get("response_format")).get("type") == "json_object":
        discard(fields, "response_format", ask)


NO_JSON_OBJECT = Edit(run=_no_json_object, hints=(b'"json_object"',))
"""JSON mode exists with a schema alone."""
