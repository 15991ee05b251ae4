"""A whole Converse answer as a ``chat.completion``."""

from ...errors import UpstreamInvalid
from ...translation.ask import Ask
from ...translation.chunks import usage_object
from ...translation.completion import choice, completion, tool_call
from ...translation.finish import Finish, finish_of
from ...wire.usage import Usage, reported
from ...wire.values import LARGEST, Json, JsonObject, count, dumps, dumps_text, items, obj, object_in, objects, text
from .blocks import ANSWER_TOOL, Block, citations_in, ending
from .errors import error_of

MALFORMED = frozenset(("malformed_model_output", "malformed_tool_use"))
"""Stop reasons that say the model's output could not be read."""

_DEEP = 200
"""Brackets that a document needs before it can be nested deeper than a JSON library writes."""
_AROUND = 16
"""Levels that an answer of ours puts around what it keeps of a provider's."""


def decode(body: bytes, ask: Ask) -> JsonObject:
    """Raises ``UpstreamError`` for an error inside a 200 and for what is no answer."""
    document = document_in(body)
    if document is None:
        raise UpstreamInvalid("The provider's answer is not JSON.", detail=repr(body[:200]))
    message = obj(document.get("output")).get("message")
    if not isinstance(message, dict):
        if "message" in document or "Message" in document or "__type" in document:
            raise error_of(500, (), body)
        raise UpstreamInvalid("The provider's answer has no message.", detail=repr(body[:200]))
    answer = _Answer(ask)
    for index, block in enumerate(items(message.get("content"))):
        if isinstance(block, dict):
            answer.add(index, block)
    usage = usage_of(document.get("usage"))
    return completion(ask, [answer.choice(text(document.get("stopReason")))], usage_object(usage) if usage else None)


def document_in(data: bytes) -> JsonObject | None:
    """An object that can be written again. Invalid UTF-8 becomes replacement characters: one bad byte must not cost an answer."""
    found = object_in(data)
    if found is None:
        found = object_in(data.decode("utf-8", "replace").encode())
    if found is not None and data.count(b"{") + data.count(b"[") > _DEEP and not _writable(found):
        return None
    return found


def _writable(value: JsonObject) -> bool:
    wrapped: Json = value
    for _ in range(_AROUND):
        wrapped = [wrapped]
    try:
        dumps(wrapped)
    except (TypeError, RecursionError):
        return False
    return True


def usage_of(value: Json) -> Usage | None:
    """AWS counts cached tokens beside ``inputTokens``; the hub counts them within. ``None``: nothing sane was reported."""
    found = obj(value)
    fresh, output = count(found.get("inputTokens")), count(found.get("outputTokens"))
    if fresh is None or output is None:
        return None
    cached = _either(found, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = _either(found, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    prompt = fresh + cached + written
    if prompt > LARGEST:
        return None
    return reported(prompt=prompt, output=output, cached=cached, cache_write=written)


def _either(found: JsonObject, name: str, legacy: str) -> int:
    value = count(found.get(name))
    return value if value is not None else count(found.get(legacy)) or 0


def finish_in(reason: str, *, called: bool) -> Finish:
    """``tool_use`` without a call that the client must answer (a tool that AWS ran, structured output) is an ordinary end."""
    finish = finish_of(reason, called=called)
    return "stop" if finish == "tool_calls" and not called else finish


def unusable() -> UpstreamInvalid:
    """The model's output was malformed and nothing of it is left."""
    return UpstreamInvalid("The model's output was malformed and the provider withheld it; send the request again.")


class _Answer:
    """The parts of one message as they are met."""

    __slots__ = ("_ask", "_calls", "_content", "_length", "_lists", "_reasoning")

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._content: list[str] = []
        self._length = 0
        self._reasoning: list[str] = []
        self._calls: list[JsonObject] = []
        self._lists: dict[str, list[Json]] = {}

    def add(self, index: int, native: JsonObject) -> None:
        """The next block of the message."""
        block = Block("other", self._length, native)
        if isinstance(native.get("text"), str):
            self._text(text(native["text"]))
        elif "citationsContent" in native:
            cited = obj(native["citationsContent"])
            block.kind = "text"
            block.fragments = [text(part.get("text")) for part in objects(cited.get("content"))]
            block.citations = citations_in(cited.get("citations"))
            self._text("".join(block.fragments))
        elif "reasoningContent" in native:
            self._reason(block, obj(native["reasoningContent"]))
        elif "toolUse" in native:
            self._call(block, obj(native["toolUse"]))
        elif "image" in native:
            image = obj(native["image"])
            block.kind, block.native = "image", image
            data = text(obj(image.get("source")).get("bytes"))
            block.blobs = [data] if data else []
        if block.kind == "other" and "text" in native:
            return
        for name, value in ending(block, index, self._length).items():
            self._lists.setdefault(name, []).extend(items(value))

    def _text(self, piece: str) -> None:
        self._content.append(piece)
        self._length += len(piece)

    def _reason(self, block: Block, found: JsonObject) -> None:
        block.kind = "reasoning"
        said = obj(found.get("reasoningText"))
        block.fragments = [text(said.get("text"))]
        block.signature = text(said.get("signature"))
        sealed = text(found.get("redactedContent"))
        block.blobs = [sealed] if sealed else []
        self._reasoning += block.fragments

    def _call(self, block: Block, use: JsonObject) -> None:
        if use.get("type") == "server_tool_use":
            return
        block.kind = "tool"
        name, given = text(use.get("name")), use.get("input")
        arguments = given if isinstance(given, str) and given else dumps_text(given if given else {})
        if name == ANSWER_TOOL:
            self._text(arguments)
            return
        ident = text(use.get("toolUseId"))
        self._calls.append(tool_call(self._ask, len(self._calls), ident, name, arguments))

    def choice(self, reason: str) -> JsonObject:
        """The one choice. Raises ``UpstreamInvalid`` when the output was malformed and nothing is left."""
        content = "".join(self._content)
        if reason in MALFORMED and not (content or self._calls or self._lists.keys() - {"thinking_blocks"}):
            raise unusable()
        found = choice(
            content=content if content or not self._calls else None,
            finish=finish_in(reason, called=bool(self._calls)),
            native=reason,
            reasoning="".join(self._reasoning),
            tool_calls=self._calls,
        )
        obj(found["message"]).update((name, [*value]) for name, value in self._lists.items())
        return found
