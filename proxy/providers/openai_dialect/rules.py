"""Sets chunks of a deviating provider right, in place, and says whether anything was wrong.

One instance a stream. Used both ways: for clients that speak chat (only what was wrong is rebuilt) and for the hub.
"""

from fnmatch import fnmatchcase

from ...errors import TollwayError
from ...translation.ask import Ask
from ...translation.finish import finish_of
from ...wire.values import Json, JsonObject, count, items, obj, objects, text
from .calls import Calls
from .content import flatten, mirror
from .errors import broken_off, failure_in, rejection
from .figures import correct, correct_created, usage_of
from .quirks import Quirks
from .think import Splitter

CHUNK = "chat.completion.chunk"
_HEAD = ("id", "object", "created", "model", "system_fingerprint", "service_tier", "provider")


class Rules:
    """``error`` is set by a chunk that reports one; ``withheld`` says that the last chunk is not for the client."""

    def __init__(self, quirks: Quirks, ask: Ask, *, wanted: bool) -> None:
        """``wanted``: does whoever reads the chunks take a usage chunk?"""
        self._quirks = quirks
        self._ask = ask
        self._wanted = wanted
        self._head: JsonObject = {}
        self._calls: dict[int, Calls] = {}
        self._unopened = quirks.think and any(fnmatchcase(ask.model.lower(), pattern) for pattern in quirks.unopened)
        self.splitters: dict[int, Splitter] = {}
        """Choices whose text may still hold reasoning."""
        self.ident = ""
        self.open: set[int] = set()
        self.finished: set[int] = set()
        self.usage: JsonObject | None = None
        self.delivered = False
        """Has the client had a usage chunk?"""
        self.withheld = False
        self.error: TollwayError | None = None

    @property
    def whole(self) -> bool:
        """Has every choice that began ended?"""
        return bool(self.open) and self.open <= self.finished

    def called(self, index: int) -> bool:
        """Has the choice called a tool?"""
        return index in self._calls

    def fragment(self, index: int, given: int, *, filled: bool) -> int | None:
        """The call that more arguments for the index ``given`` belong to; ``None``: not a call that has begun."""
        calls = self._calls.get(index)
        return calls.fragment(given, filled=filled) if calls is not None else None

    def apply(self, chunk: JsonObject) -> bool:
        """Sets ``chunk`` right; was anything wrong?"""
        self.withheld = False
        changed = False
        if self._quirks.native is not None and "choices" not in chunk:
            changed = self._translate(chunk)
        choices = objects(chunk.get("choices"))
        failed = "error" in chunk or "base_resp" in chunk
        for choice in choices:
            failed |= "error" in choice
        if failed or not choices:
            failure = failure_in(chunk, self._quirks)
            if failure is not None:
                self.error = rejection(failure, self._quirks)
                return False
        if choices or self.open:
            # Azure's first event has no choices and an empty head: SDKs take it as it is.
            changed |= self._correct_head(chunk)
        for position, choice in enumerate(choices):
            changed |= self._choice(choice, position)
        return self._usage(chunk, choices) or changed

    def _translate(self, chunk: JsonObject) -> bool:
        native = self._quirks.native(chunk) if self._quirks.native is not None else None
        if native is None:
            return False
        head: JsonObject = {"id": f"chatcmpl-{self._ask.request_id}", "object": CHUNK, "created": self._ask.created}
        made: JsonObject = {**head, "model": self._ask.model, **native}
        chunk.clear()
        chunk.update(made)
        return True

    def _correct_head(self, chunk: JsonObject) -> bool:
        changed = False
        ident = chunk.get("id")
        if not isinstance(ident, str) or not ident:
            if self.ident:
                chunk["id"], changed = self.ident, True
        elif not self.ident:
            self.ident = ident
        elif ident != self.ident:
            # Groq's compound systems give every chunk an id of its own.
            chunk["id"], changed = self.ident, True
        if chunk.get("object") != CHUNK:
            chunk["object"], changed = CHUNK, True
        changed |= correct_created(chunk)
        if not self._head:
            self._head = {name: chunk[name] for name in _HEAD if name in chunk}
        return changed

    # ---- choices ----------------------------------------------------------------------------------------------------

    def _choice(self, choice: JsonObject, position: int) -> bool:
        changed = False
        index = count(choice.get("index"))
        if index is None:
            index = choice["index"] = position
            changed = True
        if "message" in choice:
            message = choice.pop("message")
            changed = True
            if not isinstance(choice.get("delta"), dict):
                # Beside a delta it repeats all that came before; alone it is the answer.
                choice["delta"] = {} if index in self.open else message
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = choice["delta"] = {}
            changed = True
        changed |= self._delta(delta, index)
        changed |= self._finish(choice, delta, index)
        self.open.add(index)
        return changed

    def _delta(self, delta: JsonObject, index: int) -> bool:
        changed = False
        if index in self.open and delta.get("role") is not None:
            # Clients add up what is repeated: assistantassistant.
            del delta["role"]
            changed = True
        content = delta.get("content")
        if isinstance(content, list):
            changed = True
            content = flatten(delta, content)
        if self._quirks.mirror:
            changed |= mirror(delta)
        if self._quirks.think:
            changed |= self._think(delta, content, index)
        calls = delta.get("tool_calls")
        if calls:
            if index not in self._calls:
                self._calls[index] = Calls(self._ask)
            changed |= self._calls[index].place(calls)
        return changed

    def _think(self, delta: JsonObject, content: Json, index: int) -> bool:
        if index not in self.open:
            self.splitters[index] = Splitter(unopened=self._unopened)
        if not isinstance(content, str) or not content or index not in self.splitters:
            if index in self.splitters and index not in self.finished and text(delta.get("reasoning_content")):
                # Told apart by the provider already.
                del self.splitters[index]
            return False
        splitter = self.splitters[index]
        reasoning, answer = splitter.feed(content)
        if splitter.passing:
            del self.splitters[index]
        if answer == content:
            return False
        delta["content"] = answer
        if reasoning:
            delta["reasoning_content"] = reasoning
        return True

    def _finish(self, choice: JsonObject, delta: JsonObject, index: int) -> bool:
        native = choice.get("finish_reason")
        if not isinstance(native, str) or not native:
            if native is not None:
                choice["finish_reason"] = None
                return True
            return False
        changed = False
        reason = finish_of(native, called=index in self._calls)
        if reason == "error":
            self.error = broken_off(native, choice, self._quirks)
            return False
        splitter = self.splitters.pop(index, None)
        if splitter is not None:
            changed |= _add(delta, *splitter.close())
        if reason != native and (native != "function_call" or index in self._calls):
            choice["finish_reason"] = reason
            choice.setdefault("native_finish_reason", native)
            changed = True
        empty = self._calls[index].empty() if index in self._calls else []
        if empty:
            delta["tool_calls"] = [*items(delta.get("tool_calls")), *empty]
            changed = True
        self.finished.add(index)
        return changed

    # ---- usage and the end ------------------------------------------------------------------------------------------

    def _usage(self, chunk: JsonObject, choices: list[JsonObject]) -> bool:
        if chunk.get("usage") is None and "x_groq" not in chunk and all("usage" not in choice for choice in choices):
            return False
        usage = usage_of(chunk)
        if usage is None:
            return False
        changed = correct(usage, self._quirks)
        self.usage = usage
        if not choices:
            self.withheld = not self._wanted
            self.delivered = self._wanted
            return changed
        if not self._wanted or not self._quirks.late_usage or not isinstance(chunk.get("usage"), dict):
            return changed
        if self.whole and choices[0].get("finish_reason") is None and _is_empty(obj(choices[0]["delta"])):
            # OpenRouter's usage chunk: a choice that has ended already, with nothing in it.
            chunk["choices"] = []
            self.delivered = True
        else:
            chunk["usage"] = None
        return True

    def rest(self) -> list[JsonObject]:
        """What a whole answer still lacks: finish reasons of choices that just stopped, and the usage that was asked for."""
        found: list[JsonObject] = []
        for index in sorted(self.open - self.finished):
            end: JsonObject = {"index": index, "delta": {}, "finish_reason": None}
            delta = obj(end["delta"])
            splitter = self.splitters.pop(index, None)
            if splitter is not None:
                _add(delta, *splitter.close())
            empty = self._calls[index].empty() if index in self._calls else []
            if empty:
                delta["tool_calls"] = empty
            end["finish_reason"] = "tool_calls" if index in self._calls else "stop"
            self.finished.add(index)
            found.append({**self._head, "choices": [end]})
        if self._wanted and self.usage is not None and not self.delivered:
            self.delivered = True
            found.append({**self._head, "choices": [], "usage": self.usage})
        return found


def _add(delta: JsonObject, reasoning: str, answer: str) -> bool:
    """Adds what was held back to the last delta."""
    if reasoning:
        delta["reasoning_content"] = text(delta.get("reasoning_content")) + reasoning
    if answer:
        delta["content"] = text(delta.get("content")) + answer
    return bool(reasoning or answer)


def _is_empty(delta: JsonObject) -> bool:
    return all(name == "role" or not value for name, value in delta.items())
