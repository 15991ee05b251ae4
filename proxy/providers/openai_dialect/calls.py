"""Tool calls of one streamed choice: dense indices, an id each, nothing said twice (clients add up what is repeated)."""

from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, count, dumps_text, obj, objects, text


class Calls:
    """Follows the calls of a choice through its deltas and sets each fragment right in place."""

    __slots__ = ("_ask", "_filled", "_ids", "_names", "_places")

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._places: dict[int, int] = {}
        self._ids: list[str] = []
        self._names: list[str] = []
        self._filled: list[bool] = []

    def place(self, calls: Json) -> bool:
        """Sets the fragments of one delta right; was anything wrong?"""
        changed = False
        for call in objects(calls):
            changed |= self._place(call)
        return changed

    def fragment(self, given: int, *, filled: bool) -> int | None:
        """The index of a call that goes on with nothing but arguments; ``None`` when it has not begun."""
        at = self._places.get(given)
        if at is not None and filled:
            self._filled[at] = True
        return at

    def _place(self, call: JsonObject) -> bool:
        given, ident = count(call.get("index")), text(call.get("id"))
        function = obj(call.get("function"))
        name = text(function.get("name"))
        at = self._known(given, ident, name)
        changed = False
        if at is None:
            at = len(self._ids)
            changed = self._begin(call, at, ident, name)
        else:
            changed = self._continue(call, function, at, ident, name)
        if given is not None:
            self._places[given] = at
        if call.get("index") != at or isinstance(call["index"], bool):
            call["index"] = at
            changed = True
        arguments = function.get("arguments")
        if isinstance(arguments, dict | list):
            arguments = function["arguments"] = dumps_text(arguments)
            changed = True
        if (isinstance(arguments, str) and arguments) or "custom" in call:
            self._filled[at] = True
        return changed

    def _known(self, given: int | None, ident: str, name: str) -> int | None:
        """Which call a fragment continues; ``None``: it begins one, whatever index it claims."""
        if given is None:
            if ident:
                return self._ids.index(ident) if ident in self._ids else None
            return None if name or not self._ids else len(self._ids) - 1
        at = self._places.get(given)
        if at is not None and ident and name and ident != self._ids[at]:
            return self._ids.index(ident) if ident in self._ids else None
        return at

    def _begin(self, call: JsonObject, at: int, ident: str, name: str) -> bool:
        changed = False
        if not ident:
            ident = call["id"] = f"call_{self._ask.request_id[-24:]}_{at}"
            changed = True
        if not call.get("type"):
            call["type"] = "custom" if "custom" in call else "function"
            changed = True
        self._ids.append(ident)
        self._names.append(name)
        self._filled.append(False)
        return changed

    def _continue(self, call: JsonObject, function: JsonObject, at: int, ident: str, name: str) -> bool:
        changed = False
        if ident:
            del call["id"]
            changed = True
        if name and name == self._names[at]:
            del function["name"]
            changed = True
        elif name:
            self._names[at] += name
        return changed

    def empty(self) -> list[Json]:
        """Fragments that complete the calls without arguments: no JSON is an error to every client, ``{}`` is none."""
        found: list[Json] = []
        for at, filled in enumerate(self._filled):
            if not filled:
                self._filled[at] = True
                found.append({"index": at, "function": {"arguments": "{}"}})
        return found
