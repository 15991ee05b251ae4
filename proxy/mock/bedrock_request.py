"""What a Converse request asks for, checked as Amazon Bedrock checks it."""

import re

import orjson

from .claude import claude
from .compose import Tool, Wish
from .reply import Object, Refused
from .signature import issued
from .text import text_tokens

_FIELDS = frozenset(
    "messages system inferenceConfig toolConfig guardrailConfig additionalModelRequestFields promptVariables "
    "additionalModelResponseFieldPaths requestMetadata performanceConfig serviceTier outputConfig".split()
)
_BLOCKS = (
    "text image document video audio toolUse toolResult guardContent cachePoint reasoningContent citationsContent "
    "searchResult".split()
)
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DOCUMENT = re.compile(r"[a-zA-Z0-9()\[\]-]+(?: [a-zA-Z0-9()\[\]-]+)*")
_FORMATS = {
    "image": ("png", "jpeg", "gif", "webp"),
    "document": ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"),
}
_PER_MEDIA = 85


def dict_of(document: Object, name: str) -> Object:
    """Return the object member, an empty one when it is absent; refuse another type."""
    found = document.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Refused(
            f"Malformed input request: #/{name}: expected type: JSONObject, please reformat your input and try again."
        )
    return found


def list_of(document: Object, name: str) -> list[Object]:
    """Return the array of objects, empty when it is absent; refuse another type."""
    found = document.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Refused(
            f"Malformed input request: #/{name}: expected type: JSONArray, please reformat your input and try again."
        )
    return found


def check(document: Object, model: str) -> None:
    """Refuse what Bedrock refuses."""
    if model.startswith("missing-"):
        raise Refused("The provided model identifier is invalid.")
    for name in document:
        if name not in _FIELDS:
            raise Refused(
                f"Malformed input request: #: extraneous key [{name}] is not permitted, please reformat your input and try again."
            )
    for index, block in enumerate(list_of(document, "system")):
        if "text" in block and not str(block["text"]).strip():
            raise Refused(
                f"The text field in the SystemContentBlock object at system.{index} is blank. Add text to the text field, and try again."
            )
    messages = list_of(document, "messages")
    _check_roles(messages)
    _check_pairs(messages)
    for index, message in enumerate(messages):
        blocks = list_of(message, "content")
        if not blocks:
            raise Refused(
                f"The content field in the Message object at messages.{index} is empty. Add a ContentBlock object to the content field and try again."
            )
        for place, block in enumerate(blocks):
            _check_block(block, f"messages.{index}.content.{place}", str(message["role"]))
        if any("document" in block for block in blocks) and not any("text" in block for block in blocks):
            raise Refused("A text block must be included when a document is present in the message.")
    _check_tools(document, messages)
    _check_inference(document, model)
    _check_form(document)


def _check_roles(messages: list[Object]) -> None:
    if not messages:
        raise Refused(
            "A conversation must start with a user message. Try again with a conversation that starts with a user message."
        )
    expected = "user"
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in ("user", "assistant"):
            raise Refused(
                f"1 validation error detected: Value '{role}' at 'messages.{index + 1}.member.role' failed to satisfy "
                "constraint: Member must satisfy enum value set: [user, assistant]"
            )
        if role != expected:
            raise Refused(
                "A conversation must start with a user message. Try again with a conversation that starts with a user message."
                if index == 0
                else "A conversation must alternate between user and assistant roles. Make sure the conversation "
                "alternates between user and assistant roles and try again."
            )
        expected = "assistant" if role == "user" else "user"


def _check_block(block: Object, where: str, role: str) -> None:
    kinds = [name for name in block if name in _BLOCKS]
    if len(kinds) != 1 or len(block) != 1:
        raise Refused(f"The ContentBlock object at {where} must set one of the following keys: {', '.join(_BLOCKS)}.")
    kind = kinds[0]
    value = block[kind]
    if kind == "text" and not str(value).strip():
        raise Refused(
            f"The text field in the ContentBlock object at {where} is blank. Add text to the text field, and try again."
        )
    if not isinstance(value, dict):
        return
    if kind in _FORMATS:
        _check_media(kind, value, where, role)
    if kind == "toolUse" and not _NAME.fullmatch(str(value.get("name"))):
        raise _unfit(str(value.get("name")), f"{where}.toolUse.name", "[a-zA-Z0-9_-]+")
    if kind in ("toolUse", "toolResult") and not _ID.fullmatch(str(value.get("toolUseId"))):
        raise _unfit(str(value.get("toolUseId")), f"{where}.{kind}.toolUseId", "[a-zA-Z0-9_.:-]+")
    if kind == "toolUse" and not isinstance(value.get("input"), dict):
        raise Refused(
            f"The format of the value at {where}.toolUse.input is invalid. Provide a json object for the field and try again."
        )
    if kind == "reasoningContent":
        thought = dict_of(value, "reasoningText")
        text, signature = thought.get("text", ""), thought.get("signature")
        if isinstance(signature, str) and not issued(signature, "thinking", str(text)):
            raise Refused(f"The model returned the following errors: {where}: Invalid `signature` in `thinking` block")


def _unfit(value: str, where: str, pattern: str) -> Refused:
    return Refused(
        f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: Member must satisfy "
        f"regular expression pattern: {pattern}"
    )


def _check_media(kind: str, value: Object, where: str, role: str) -> None:
    if role != "user":
        raise Refused(f"The {kind} block at {where} is only allowed in messages of the user.")
    if value.get("format") not in _FORMATS[kind]:
        raise Refused(
            f"1 validation error detected: Value '{value.get('format')}' at '{where}.{kind}.format' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(_FORMATS[kind])}]"
        )
    source = dict_of(value, "source")
    if not any(name in source for name in ("bytes", "s3Location", "text", "content")):
        raise Refused(f"The source at {where}.{kind} must set one of the following keys: bytes, s3Location.")
    if kind == "document" and not _DOCUMENT.fullmatch(str(value.get("name"))):
        raise Refused(
            "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, "
            "parentheses, and square brackets. The name can't contain more than one consecutive whitespace character."
        )


def _ids(message: Object, kind: str) -> list[object]:
    blocks = list_of(message, "content")
    return [found.get("toolUseId") for block in blocks if isinstance(found := block.get(kind), dict)]


def _check_pairs(messages: list[Object]) -> None:
    waiting: list[object] = []
    for index, message in enumerate(messages):
        answered = _ids(message, "toolResult")
        if missing := [str(found) for found in waiting if found not in answered]:
            raise Refused(
                f"Expected toolResult blocks at messages.{index}.content for the following Ids: {', '.join(missing)}"
            )
        if any(found not in waiting for found in answered):
            raise Refused(
                f"The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks of "
                "previous turn."
            )
        waiting = _ids(message, "toolUse")
    if waiting:
        missing = [str(found) for found in waiting]
        raise Refused(
            f"Expected toolResult blocks at messages.{len(messages)}.content for the following Ids: {', '.join(missing)}"
        )


def specs(document: Object) -> list[Object]:
    """Return the tools of the request."""
    tools = list_of(dict_of(document, "toolConfig"), "tools")
    return [spec for tool in tools if isinstance(spec := tool.get("toolSpec"), dict)]


def _check_tools(document: Object, messages: list[Object]) -> None:
    used = any(_ids(message, "toolUse") or _ids(message, "toolResult") for message in messages)
    if "toolConfig" not in document:
        if used:
            raise Refused("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        return
    offered = specs(document)
    if not offered:
        raise Refused(
            "1 validation error detected: Value at 'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or equal to 1"
        )
    for index, spec in enumerate(offered):
        where = f"toolConfig.tools.{index}.member.toolSpec"
        if not _NAME.fullmatch(str(spec.get("name"))):
            raise _unfit(str(spec.get("name")), f"{where}.name", "[a-zA-Z0-9_-]+")
        if spec.get("description") == "":
            raise Refused(
                f"1 validation error detected: Value at '{where}.description' failed to satisfy constraint: Member must have length greater than or equal to 1"
            )
        schema = dict_of(spec, "inputSchema").get("json")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise Refused(f"The value at {where}.inputSchema.json.type must be one of the following: object.")
    choice = dict_of(document, "toolConfig").get("toolChoice")
    if choice is not None and (
        not isinstance(choice, dict) or len(choice) != 1 or set(choice) - {"auto", "any", "tool"}
    ):
        raise Refused(
            "The ToolChoice object at toolConfig.toolChoice must set one of the following keys: auto, any, tool."
        )


def _check_inference(document: Object, model: str) -> None:
    config = dict_of(document, "inferenceConfig")
    most = config.get("maxTokens")
    if most is not None and (not isinstance(most, int) or most < 1):
        raise Refused(
            f"1 validation error detected: Value '{most}' at 'inferenceConfig.maxTokens' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1"
        )
    for name in ("temperature", "topP"):
        value = config.get(name)
        if value is None:
            continue
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise Refused(
                f"1 validation error detected: Value '{value}' at 'inferenceConfig.{name}' failed to satisfy constraint: "
                "Member must have value less than or equal to 1"
            )
        if not claude(model).sampling:
            raise Refused(f"The model returned the following errors: `{name}` is not supported on this model")
    stops = config.get("stopSequences")
    if stops is not None and (not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops)):
        raise Refused(
            "1 validation error detected: Value at 'inferenceConfig.stopSequences' failed to satisfy constraint: Member must have length greater than or equal to 1"
        )


def schema_of(document: Object) -> Object | None:
    """Return the schema of the answer, which comes as JSON text."""
    structure = dict_of(dict_of(dict_of(document, "outputConfig"), "textFormat"), "structure")
    text = dict_of(structure, "jsonSchema").get("schema")
    if text is None:
        return None
    try:
        found: object = orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise Refused("The value at outputConfig.textFormat.structure.jsonSchema.schema must be a string of JSON.")
    return found


def _check_form(document: Object) -> None:
    schema_of(document)


def wish_of(document: Object) -> Wish:
    """Return what the answer has to be."""
    config, extra = dict_of(document, "inferenceConfig"), dict_of(document, "additionalModelRequestFields")
    choice = dict_of(dict_of(document, "toolConfig"), "toolChoice")
    tools = [Tool(str(spec["name"]), dict_of(dict_of(spec, "inputSchema"), "json")) for spec in specs(document)]
    if "tool" in choice:
        tools = [tool for tool in tools if tool.name == dict_of(choice, "tool").get("name")]
    forced = "any" in choice or "tool" in choice
    if forced and not tools:
        raise Refused("The tool named in toolConfig.toolChoice.tool is not in toolConfig.tools.")
    most, stops = config.get("maxTokens"), config.get("stopSequences")
    thinking = extra.get("thinking") or extra.get("reasoningConfig") or extra.get("reasoning_config")
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    single = extra.get("tool_choice")
    alone = isinstance(single, dict) and single.get("disable_parallel_tool_use") is True
    return Wish(
        limit=most if isinstance(most, int) else None,
        stop=stops if isinstance(stops, list) else (),
        schema=schema_of(document),
        tools=tools,
        forced=forced,
        allowed=forced or not _ids(list_of(document, "messages")[-1], "toolResult"),
        thinks=kind in ("enabled", "adaptive"),
        most_calls=1 if alone else None,
    )


def prompt_tokens(document: Object) -> tuple[int, int]:
    """Return the tokens of the prompt, and how many of them lie before the last cache point."""
    total, cached = 3, 0
    tools = list_of(dict_of(document, "toolConfig"), "tools")
    messages = list_of(document, "messages")
    blocks = [
        *tools,
        *list_of(document, "system"),
        *(block for message in messages for block in list_of(message, "content")),
    ]
    for block in blocks:
        if "cachePoint" in block:
            cached = total
        elif "image" in block or "document" in block:
            total += _PER_MEDIA
        else:
            text = block.get("text")
            total += text_tokens(text if isinstance(text, str) else orjson.dumps(block).decode())
    return total + 4 * len(messages), cached
