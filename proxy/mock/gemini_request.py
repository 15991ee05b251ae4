"""What a generateContent request asks for, checked as Google's API checks it. Names may be camelCase or snake_case."""

import re

import orjson

from .compose import Tool, Wish
from .gemini_contents import check_contents, list_of, member, object_of
from .reply import Object, Refused
from .text import text_tokens

_FIELDS = frozenset(
    "contents systemInstruction tools toolConfig generationConfig safetySettings cachedContent model serviceTier labels "
    "store".split()
)
_CONFIG = frozenset(
    "candidateCount stopSequences maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty "
    "responseMimeType responseSchema responseJsonSchema responseLogprobs logprobs thinkingConfig responseModalities "
    "speechConfig mediaResolution imageConfig enableEnhancedCivicAnswers audioTimestamp routingConfig "
    "modelSelectionConfig".split()
)
_SCHEMA = frozenset(
    "type format title description nullable enum default example items minItems maxItems properties required "
    "propertyOrdering minProperties maxProperties minimum maximum minLength maxLength pattern anyOf".split()
)
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
_PER_MEDIA = 85


def generation_of(model: str) -> float:
    """Return the number in a Gemini's name, 0 for other names: 2.5 for gemini-2.5-flash."""
    found = re.match(r"(?:models/)?gemini-(\d+(?:\.\d+)?)", model)
    return float(found[1]) if found else 0.0


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def check(document: Object, model: str, *, vertex: bool) -> None:
    """Refuse what the API refuses."""
    if model.startswith("missing-"):
        raise Refused(
            f"models/{model} is not found for API version v1beta, or is not supported for generateContent. Call "
            "ListModels to see the list of available models and their supported methods.",
            status=404,
        )
    for name in document:
        if camel(name) not in _FIELDS:
            raise unknown_name(name)
    config = object_of(document, "generationConfig")
    for name in config:
        if camel(name) not in _CONFIG:
            raise unknown_name(name, "generation_config")
    generation = generation_of(model)
    check_contents(document, generation, vertex=vertex)
    _check_tools(document, config, generation)
    _check_config(config, model, generation)


def unknown_name(name: str, where: str = "") -> Refused:
    at = f" at '{where}'" if where else ""
    return Refused(f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')


def declarations(document: Object) -> list[Object]:
    """Return every function the request declares."""
    return [declared for tool in list_of(document, "tools") for declared in list_of(tool, "functionDeclarations")]


def _check_tools(document: Object, config: Object, generation: float) -> None:
    declared = declarations(document)
    for index, function in enumerate(declared):
        where = f"tools[0].function_declarations[{index}]"
        name = function.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refused(
                f"* GenerateContentRequest.{where}.name: Invalid function name. Must start with a letter or an underscore."
            )
        if "parameters" in function and member(function, "parametersJsonSchema") is not None:
            raise Refused(
                f"* GenerateContentRequest.{where}: only one of parameters and parameters_json_schema may be set"
            )
        if "parameters" in function:
            _check_schema(function["parameters"], f"{where}.parameters")
    names = {str(function["name"]) for function in declared}
    calling = object_of(object_of(document, "toolConfig"), "functionCallingConfig")
    mode = calling.get("mode", "AUTO")
    if mode not in ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"):
        raise Refused(
            f"Invalid value at 'tool_config.function_calling_config.mode' (type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode), \"{mode}\""
        )
    allowed = member(calling, "allowedFunctionNames")
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise Refused("Allowed function names should only be set when function calling mode is ANY.")
    for name in allowed if isinstance(allowed, list) else ():
        if name not in names:
            raise Refused(f"allowed_function_names: function '{name}' is not in function_declarations")
    shaped = member(config, "responseMimeType") == "application/json"
    if shaped and declared and 0 < generation < 3:
        raise Refused("Function calling with a response mime type: 'application/json' is unsupported")


def _check_schema(schema: object, where: str) -> None:
    """Refuse what the OpenAPI subset has no word for."""
    if not isinstance(schema, dict):
        raise Refused(f"Invalid value at '{where}'")
    for name in schema:
        if camel(name) not in _SCHEMA:
            raise unknown_name(name, where)
    kind = str(schema.get("type", "")).upper()
    if schema.get("enum") is not None and kind != "STRING":
        raise Refused(f"* GenerateContentRequest.{where}.enum: only allowed for STRING type")
    if kind == "OBJECT" and schema.get("properties") == {}:
        raise Refused(f"* GenerateContentRequest.{where}.properties: should be non-empty for OBJECT type")
    if kind == "ARRAY" and "items" not in schema:
        raise Refused(f"* GenerateContentRequest.{where}.items: missing field.")
    properties = schema.get("properties")
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        _check_schema(inner, f"{where}.properties[{name}]")
    if "items" in schema:
        _check_schema(schema["items"], f"{where}.items")
    branches = member(schema, "anyOf")
    for index, inner in enumerate(branches if isinstance(branches, list) else ()):
        _check_schema(inner, f"{where}.any_of[{index}]")


def _check_config(config: Object, model: str, generation: float) -> None:
    count = member(config, "candidateCount")
    if count is not None and (not isinstance(count, int) or not 1 <= count <= 8):
        raise Refused("* GenerateContentRequest.generation_config.candidate_count: candidate_count must be in [1, 8]")
    stops = member(config, "stopSequences")
    if isinstance(stops, list) and len(stops) > 5:
        raise Refused("* GenerateContentRequest.generation_config.stop_sequences: at most 5 stop sequences are allowed")
    most = member(config, "maxOutputTokens")
    if most is not None and (not isinstance(most, int) or most < 1):
        raise Refused(
            "* GenerateContentRequest.generation_config.max_output_tokens: max_output_tokens must be positive."
        )
    temperature = config.get("temperature")
    if isinstance(temperature, int | float) and not 0 <= temperature <= 2:
        raise Refused(
            "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0]."
        )
    for name in ("presencePenalty", "frequencyPenalty"):
        if member(config, name) and generation >= 2.5:
            raise Refused("Penalty is not enabled for this model")
    thinking = object_of(config, "thinkingConfig")
    budget, level = member(thinking, "thinkingBudget"), member(thinking, "thinkingLevel")
    if budget is not None and level is not None:
        raise Refused("You can only set only one of thinking budget and thinking level.")
    if level is not None and 0 < generation < 3:
        raise Refused("Thinking level is not supported for this model.")
    if budget == 0 and "2.5-pro" in model:
        raise Refused("Budget 0 is invalid. This model only works in thinking mode.")


def thinks(config: Object, model: str) -> bool:
    """Say whether the model thinks: Gemini 2.5 and later do unless told otherwise, flash-lite only when told."""
    thinking = object_of(config, "thinkingConfig")
    budget = member(thinking, "thinkingBudget")
    if budget is not None:
        return budget != 0
    if member(thinking, "thinkingLevel") is not None or member(thinking, "includeThoughts") is True:
        return True
    return generation_of(model) >= 2.5 and "flash-lite" not in model


def wish_of(document: Object, model: str) -> Wish:
    """Return what the answer has to be."""
    config = object_of(document, "generationConfig")
    calling = object_of(object_of(document, "toolConfig"), "functionCallingConfig")
    allowed = member(calling, "allowedFunctionNames")
    tools = [
        Tool(str(found["name"]), lowered(member(found, "parametersJsonSchema") or found.get("parameters")))
        for found in declarations(document)
        if not isinstance(allowed, list) or not allowed or found["name"] in allowed
    ]
    forced = calling.get("mode") == "ANY"
    last = list_of(document, "contents")[-1]
    answered = any(member(part, "functionResponse") is not None for part in list_of(last, "parts"))
    schema = member(config, "responseJsonSchema") or member(config, "responseSchema")
    shaped = member(config, "responseMimeType") == "application/json"
    most, stops = member(config, "maxOutputTokens"), member(config, "stopSequences")
    return Wish(
        limit=most if isinstance(most, int) else None,
        stop=[stop for stop in stops if isinstance(stop, str)] if isinstance(stops, list) else (),
        json=shaped,
        schema=lowered(schema) if shaped and schema else None,
        tools=tools,
        forced=forced,
        allowed=calling.get("mode") != "NONE" and (forced or not answered),
        thinks=thinks(config, model),
    )


def lowered(schema: object) -> Object:
    """Return the schema with the type names of JSON Schema, whichever spelling it came in."""
    if not isinstance(schema, dict):
        return {"type": "object"}
    found: Object = {}
    for name, value in schema.items():
        if name == "type" and isinstance(value, str):
            found[name] = value.lower()
        elif name == "properties" and isinstance(value, dict):
            found[name] = {key: lowered(inner) for key, inner in value.items()}
        elif name == "items" and isinstance(value, dict):
            found[name] = lowered(value)
        elif name in ("anyOf", "any_of") and isinstance(value, list):
            found["anyOf"] = [lowered(inner) for inner in value]
        else:
            found[name] = value
    return found


def prompt_tokens(document: Object) -> int:
    """Count a request: text by its bytes, 4 a content, 85 an image, sound or file, 3 a request, tools as JSON."""
    total = 3
    if tools := declarations(document):
        total += text_tokens(orjson.dumps(tools).decode())
    system = object_of(document, "systemInstruction")
    for content in [*([system] if system else []), *list_of(document, "contents")]:
        total += 4
        for part in list_of(content, "parts"):
            text = part.get("text")
            if isinstance(text, str):
                total += text_tokens(text)
            elif member(part, "inlineData") or member(part, "fileData"):
                total += _PER_MEDIA
            else:
                kept = {name: value for name, value in part.items() if camel(name) != "thoughtSignature"}
                total += text_tokens(orjson.dumps(kept).decode())
    return total
