"""The contents of a Gemini request: roles, parts, function calls with their responses, and thought signatures."""

from base64 import b64encode

from .reply import Object, Refused
from .signature import issued

_SKIP = "skip_thought_signature_validator"
_SKIPS = (_SKIP, b64encode(_SKIP.encode()).decode())
_SNAKE: dict[str, str] = {}
_DATA = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
)


def snake(name: str) -> str:
    found = _SNAKE.get(name)
    if found is None:
        found = _SNAKE[name] = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return found


def member(document: Object, name: str) -> object:
    """Return the member under its camelCase name or its snake_case one."""
    found = document.get(name)
    return document.get(snake(name)) if found is None else found


def object_of(document: Object, name: str) -> Object:
    """Return the object member, an empty one when it is absent; refuse another type."""
    found = member(document, name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Refused(f"Invalid value at '{snake(name)}'")
    return found


def list_of(document: Object, name: str) -> list[Object]:
    """Return the array of objects, empty when it is absent; one object counts as an array of it."""
    found = member(document, name)
    if found is None:
        return []
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Refused(f"Invalid value at '{snake(name)}'")
    return found


def check_contents(document: Object, generation: float, *, vertex: bool) -> None:
    """Refuse contents that the API refuses."""
    contents = list_of(document, "contents")
    if not contents:
        raise Refused("* GenerateContentRequest.contents: contents is not specified")
    before: list[Object] = []
    for index, content in enumerate(contents):
        role = content.get("role", "user")
        if role not in ("user", "model", "function"):
            raise Refused("Please use a valid role: user, model.")
        parts = list_of(content, "parts")
        if not parts:
            raise Refused(f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.")
        for place, part in enumerate(parts):
            _check_part(part, f"contents[{index}].parts[{place}]", generation, vertex=vertex)
        calls = _named(before, "functionCall")
        answers = _named(parts, "functionResponse")
        if len(calls) != len(answers):
            raise Refused(
                "Please ensure that the number of function response parts is equal to the number of function call parts "
                "of the function call turn."
            )
        if _named(parts, "functionCall") and (index == 0 or contents[index - 1].get("role") == "model"):
            raise Refused(
                "Please ensure that function call turn comes immediately after a user turn or after a function response "
                "turn."
            )
        before = parts
    if _named(before, "functionCall"):
        raise Refused(
            "Please ensure that the number of function response parts is equal to the number of function call parts of "
            "the function call turn."
        )
    if generation >= 3:
        _check_signatures(contents)


def _check_part(part: Object, where: str, generation: float, *, vertex: bool) -> None:
    held = [name for name in _DATA if member(part, name) is not None]
    if len(held) != 1 and not (not held and member(part, "thoughtSignature")):
        raise Refused(
            f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field"
        )
    for name in ("functionCall", "functionResponse"):
        found = object_of(part, name)
        if name in held and not found.get("name"):
            raise Refused(f"* GenerateContentRequest.{where}.{snake(name)}.name: Name cannot be empty.")
        if "id" in found and vertex and 0 < generation < 3:
            raise Refused(
                f"Invalid JSON payload received. Unknown name \"id\" at '{where}.{snake(name)}': Cannot find field."
            )
    response = object_of(part, "functionResponse")
    if response and not isinstance(response.get("response"), dict):
        raise Refused(
            f"Invalid value at '{where}.function_response.response' (type.googleapis.com/google.protobuf.Struct)"
        )


def _named(parts: list[Object], name: str) -> list[Object]:
    return [found for part in parts if isinstance(found := member(part, name), dict)]


def _check_signatures(contents: list[Object]) -> None:
    """In the turn that goes on, each step of the model has to begin its function calls with a signature."""
    start = 0
    for index, content in enumerate(contents):
        if content.get("role", "user") == "user" and not _named(list_of(content, "parts"), "functionResponse"):
            start = index
    for index, content in enumerate(contents):
        parts = list_of(content, "parts")
        first = next((part for part in parts if isinstance(member(part, "functionCall"), dict)), None)
        for part in parts:
            _check_signature(part, where=index)
        if index > start and first is not None and not member(first, "thoughtSignature"):
            name = object_of(first, "functionCall").get("name")
            raise Refused(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
                "correctly, and missing thought_signature may lead to degraded model performance. Additional data, "
                f"function call `default_api:{name}` , position {index + 1}."
            )


def _check_signature(part: Object, *, where: int) -> None:
    signature = member(part, "thoughtSignature")
    if signature is None or signature in _SKIPS:
        return
    call = object_of(part, "functionCall")
    kind = f"call:{call.get('name')}" if call else "text"
    if not isinstance(signature, str) or not issued(signature, kind, ""):
        raise Refused(f"Corrupted thought signature. (contents[{where}])")
