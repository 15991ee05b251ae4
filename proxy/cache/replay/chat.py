"""Chat completions: the plain answer as chunks and back. Whatever a message holds (reasoning under any name, refusal, annotations,
audio, images, tool calls, members that nobody knows) comes through."""

from collections.abc import Iterable

from ...wire.values import Json, JsonObject, obj, objects, text
from .calls import Calls, fragments_of
from .chunks import finish_of, folded, unfolded
from .growing import Growing, Kept, Told, continued, fuller, grow, note, settled
from .logprobs import longer, spread
from .pieces import spoken
from .reading import SenselessError, written

_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Names under which hosts put what the model thought."""

_BESIDE = ("annotations", "images", "audio")
_NOT_EARLY = frozenset(("role", "content", "refusal", "function_call", "tool_calls", *_BESIDE))
"""Members that are, or follow, what is said; all others go before it."""

_APART = frozenset(("index", "delta", "message", "logprobs", "finish_reason", "usage"))

_NESTED = {"text": "", "thinking": "thinking", "reasoning": "summary", "summary_text": ""}
"""Parts of a content that are told in pieces, and the parts within them."""


# ---- to a plain answer ----------------------------------------------------------------------------------------------
def fold(chunks: Iterable[JsonObject]) -> JsonObject:
    """The ``chat.completion`` that ``chunks`` add up to."""
    return folded(chunks, kind="chat.completion", choice=_Choice)


class _Choice:
    """A ``Choice``."""

    __slots__ = ("_calls", "_index", "_logprobs", "_message", "_rest")

    def __init__(self, index: int) -> None:
        self._index = index
        self._message: Growing = {"role": "assistant", "content": None}
        self._calls = Calls()
        self._logprobs: Growing = {}
        self._rest: Growing = {}

    def take(self, part: JsonObject) -> None:
        delta = part.get("delta")
        if delta is None:
            delta = part.get("message")
        for name, value in obj(delta).items():
            if name == "content" and value is not None:
                self._message[name] = _said(self._message[name], value)
            elif name == "tool_calls":
                self._calls.take(objects(value))
            elif name == "role":
                self._message[name] = text(value) or "assistant"
            elif isinstance(value, str) and self._message.get(name) is None:
                self._message[name] = Told(value)
            else:
                grow(self._message, name, value)
        if "logprobs" in part:
            longer(self._logprobs, part["logprobs"])
        for name, value in part.items():
            if name == "text" and isinstance(value, str):
                self._rest[name] = continued(self._rest.get(name), value)
            elif name not in _APART:
                note(self._rest, name, value)
        if part.get("finish_reason") is not None:
            self._rest["finish_reason"] = text(part["finish_reason"])

    def whole(self) -> JsonObject:
        if not self._rest.get("finish_reason"):
            raise SenselessError
        message = {name: settled(value) for name, value in self._message.items()}
        calls = self._calls.whole()
        if calls:
            message["tool_calls"] = [*calls]
            message["content"] = message["content"] or None
        logprobs = {name: settled(value) for name, value in self._logprobs.items()}
        rest = {name: settled(value) for name, value in self._rest.items()}
        return {"index": self._index, "message": message, **logprobs, **rest}


def _said(old: Kept, new: Json) -> Kept:
    """Content that goes on: text, or parts (as Mistral sends its thoughts), or one after the other."""
    if isinstance(new, str):
        if not isinstance(old, list):
            return continued(old, new) if old is not None else Told(new)
        return _more_parts(old, [{"type": "text", "text": new}]) if new else old
    if not isinstance(new, list):
        raise SenselessError
    if isinstance(old, list):
        return _more_parts(old, new)
    before: list[Kept] = [{"type": "text", "text": str(old)}] if old is not None and str(old) else []
    return [*before, *_kept(new)]


def _kept(values: list[Json]) -> list[Kept]:
    return [*values]  # type: ignore[list-item]


def _more_parts(old: list[Kept], new: list[Json]) -> list[Kept]:
    """Parts that go on: the first continues the last one if they are of one kind that is told in pieces."""
    last, first = old[-1] if old else None, new[0] if new else None
    if not isinstance(last, dict) or not isinstance(first, dict) or last.get("type") != first.get("type"):
        return [*old, *_kept(new)]
    nested = _NESTED.get(text(first.get("type")))
    if nested is None:
        return [*old, *_kept(new)]
    told, more = last.get(nested), first.get(nested)
    if isinstance(told, list) and isinstance(more, list):
        rest: JsonObject = {name: value for name, value in first.items() if name != nested}
        return [*old[:-1], {**fuller(last, rest), nested: _more_parts(told, more)}, *_kept(new[1:])]
    return [*old[:-1], fuller(last, first), *_kept(new[1:])]


# ---- to a stream ----------------------------------------------------------------------------------------------------
def unfold(whole: JsonObject, usage: JsonObject | None) -> bytes:
    """A ``chat.completion`` as the events of its stream."""
    return unfolded(whole, kind="chat.completion.chunk", fragments=_fragments, usage=usage)


def _fragments(choice: JsonObject, index: int) -> list[bytes]:
    """Role, reasoning, content, what follows it, finish."""
    message = choice.get("message")
    if not isinstance(message, dict):
        raise SenselessError
    finish = finish_of(choice)
    start = b'{"index":%d,"delta":' % index
    end = (b',"logprobs":null' if "logprobs" in choice else b"") + b',"finish_reason":null}'
    found = [start + delta + end for delta in (written(_opening(message)), *_early(message))]
    left = choice.get("logprobs")
    for name in ("content", "refusal"):
        said = message.get(name)
        if isinstance(said, str) and said:
            twin = name == "content" and choice.get("text") == said
            found += _speaking(name, said, left, (start, end), twin=twin)
            left = None
        elif said:
            found.append(start + written({name: said}) + end)
    found += [start + delta + end for delta in _late(message)]
    rest = {name: value for name, value in choice.items() if name not in _APART}
    if rest.get("text") and rest["text"] == message.get("content"):
        rest["text"] = ""
    last: JsonObject = {"index": index, "delta": {}, **rest, "finish_reason": finish}
    if "logprobs" in choice:
        last["logprobs"] = left
    found.append(written(last))
    return found


def _opening(message: JsonObject) -> JsonObject:
    """The first delta: the role, and members that need no delta of their own."""
    calls = _calls(message)
    content = message.get("content")
    found: JsonObject = {"role": text(message.get("role")) or "assistant", "content": None}
    if isinstance(content, str) and (content or not calls):
        found["content"] = ""
    for name, value in message.items():
        if name in ("role", "content", "tool_calls"):
            continue
        if not isinstance(value, str | list | dict) or not value:
            found[name] = value
    return found


def _early(message: JsonObject) -> list[bytes]:
    """The deltas before the content. The same thoughts under two names leave together, as hosts that use both send them."""
    others: list[bytes] = []
    thoughts: dict[str, list[bytes]] = {}
    for name, value in message.items():
        if not value or not isinstance(value, str | list | dict) or name in _NOT_EARLY:
            continue
        if name in _THOUGHTS and isinstance(value, str):
            thoughts.setdefault(value, []).append(b'"%b":"' % name.encode())
        else:
            others.append(written({name: value}))
    found = [
        b"{" + b",".join([name + piece + b'"' for name in names]) + b"}"
        for thought, names in thoughts.items()
        for piece in spoken(thought)
    ]
    return found + others


def _late(message: JsonObject) -> list[bytes]:
    """The deltas after the content: what it refers to, what was made beside it, calls."""
    found = [written({name: message[name]}) for name in _BESIDE if message.get(name)]
    called = message.get("function_call")
    if called:
        pieces = spoken(text(obj(called).get("arguments")))
        found.append(written({"function_call": {**obj(called), "arguments": ""} if pieces else called}))
        found += [b'{"function_call":{"arguments":"%b"}}' % piece for piece in pieces]
    for index, call in enumerate(_calls(message)):
        found += fragments_of(call, index)
    return found


def _calls(message: JsonObject) -> list[JsonObject]:
    listed = message.get("tool_calls")
    found = objects(listed)
    if listed is not None and (not isinstance(listed, list) or len(found) < len(listed)):
        raise SenselessError
    return found


def _speaking(name: str, said: str, logprobs: Json, around: tuple[bytes, bytes], *, twin: bool) -> list[bytes]:
    """Text in pieces: each token beside its log probabilities, or all of these beside the first piece. ``twin``: does the choice
    repeat it as ``text``, as Together does?"""
    start, end = around
    start += b'{"%b":"' % name.encode()
    told = spread(name, said, obj(logprobs))
    pieces = [piece for piece, _ in told] or spoken(said)
    if twin:
        pieces = [piece + b'"},"text":"' + piece for piece in pieces]
    close = b'"' if twin else b'"}'
    after = close + end
    found = [start + piece + after for piece in pieces]
    for at, probable in enumerate([probable for _, probable in told] or [logprobs] if logprobs is not None else []):
        found[at] = start + pieces[at] + close + b',"logprobs":' + written(probable) + b',"finish_reason":null}'
    return found
