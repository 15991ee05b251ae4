"""Sets a whole answer of a deviating provider right, in place, and says whether anything was wrong."""

from fnmatch import fnmatchcase

from ...errors import UpstreamInvalid
from ...translation.ask import Ask
from ...translation.finish import finish_of
from ...wire.values import Json, JsonObject, count, dumps_text, objects, text
from .content import flatten, mirror
from .errors import broken_off, failure_in, rejection
from .figures import correct, correct_created, usage_of
from .quirks import Quirks
from .think import split


def set_right(document: JsonObject, quirks: Quirks, ask: Ask) -> bool:
    """Sets ``document`` right; was anything wrong? Raises ``UpstreamError`` for an error and for what is no answer."""
    changed = False
    if quirks.native is not None and "choices" not in document:
        native = quirks.native(document)
        if native is not None:
            changed = True
            document.clear()
            document.update({"id": f"chatcmpl-{ask.request_id}", "object": "chat.completion", "created": ask.created})
            document.update({"model": ask.model, **native})
    failure = failure_in(document, quirks)
    if failure is not None:
        raise rejection(failure, quirks)
    choices = objects(document.get("choices"))
    if not choices:
        raise UpstreamInvalid("The provider's answer holds no choices.", detail=dumps_text(document)[:500])
    for position, choice in enumerate(choices):
        changed |= _choice(choice, position, quirks, ask)
    if document.get("object") != "chat.completion":
        document["object"], changed = "chat.completion", True
    changed |= correct_created(document)
    return _usage(document, quirks) or changed


def _usage(document: JsonObject, quirks: Quirks) -> bool:
    usage = usage_of(document)
    if usage is None:
        return False
    changed = correct(usage, quirks)
    if document.get("usage") is not usage:
        document["usage"] = usage
        return True
    return changed


def _choice(choice: JsonObject, position: int, quirks: Quirks, ask: Ask) -> bool:
    changed = False
    if count(choice.get("index")) is None:
        choice["index"], changed = position, True
    message = choice.get("message")
    if not isinstance(message, dict):
        message = choice["message"] = {"role": "assistant", "content": None}
        changed = True
    changed |= _message(message, quirks, ask)
    calls = objects(message.get("tool_calls"))
    changed |= _calls(calls, ask)
    native = choice.get("finish_reason")
    native = native if isinstance(native, str) else ""
    reason = finish_of(native, called=bool(calls))
    if reason == "error":
        raise broken_off(native, choice, quirks)
    if reason != native and (native != "function_call" or "function_call" not in message):
        choice["finish_reason"] = reason
        if native:
            choice.setdefault("native_finish_reason", native)
        changed = True
    return changed


def _message(message: JsonObject, quirks: Quirks, ask: Ask) -> bool:
    changed = False
    content: Json = message.get("content")
    if isinstance(content, list):
        content = flatten(message, content)
        changed = True
    if quirks.mirror:
        changed |= mirror(message)
    if quirks.think and isinstance(content, str) and not text(message.get("reasoning_content")):
        unopened = any(fnmatchcase(ask.model.lower(), pattern) for pattern in quirks.unopened)
        reasoning, answer = split(content, unopened=unopened)
        if answer != content:
            message["content"] = answer
            message["reasoning_content"] = reasoning
            changed = True
    return changed


def _calls(calls: list[JsonObject], ask: Ask) -> bool:
    changed = False
    for at, call in enumerate(calls):
        if not text(call.get("id")):
            call["id"], changed = f"call_{ask.request_id[-24:]}_{at}", True
        if not call.get("type"):
            call["type"], changed = "function", True
        function = call.get("function")
        if not isinstance(function, dict):
            continue
        arguments = function.get("arguments")
        if not isinstance(arguments, str) or not arguments:
            function["arguments"], changed = dumps_text(arguments) if arguments else "{}", True
    return changed
