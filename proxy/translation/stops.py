"""Stop sequences enforced here, for models that do not take them: the text ends before the first match."""

from collections.abc import Sequence

from ..wire.values import Json, JsonObject, count, obj, objects, text


class Stops:
    """For one answer. Text that could be the beginning of a sequence is held back until more has come; nothing else waits."""

    __slots__ = ("_choices", "_heads", "_held", "_sequences", "_stopped", "done")

    def __init__(self, sequences: Sequence[str], *, choices: int = 1) -> None:
        """``choices``: how many answers were asked for."""
        self._sequences = tuple(sequences)
        heads = {sequence[:end] for sequence in sequences for end in range(1, len(sequence))}
        self._heads = tuple(sorted(heads, key=len, reverse=True))
        self._choices = choices
        self._held: dict[int, str] = {}
        self._stopped: set[int] = set()
        self.done = False
        """Has every answer met a sequence? What the provider still sends is not wanted."""

    def feed(self, chunk: JsonObject) -> list[JsonObject]:
        """The chunks that may leave now: ``chunk`` itself where nothing had to change."""
        parts = objects(chunk.get("choices"))
        if not parts:
            return [chunk]
        kept: list[Json] = []
        ends: list[Json] = []
        same = True
        for part in parts:
            index = count(part.get("index")) or 0
            if index in self._stopped:
                same = False
                continue
            new = self._part(part, index)
            same = same and new is part
            if new is not None:
                kept.append(new)
            if index in self._stopped:
                ends.append({"index": index, "delta": {}, "finish_reason": "stop"})
        if same:
            return [chunk]
        self.done = len(self._stopped) >= self._choices
        return [{**chunk, "choices": choices} for choices in (kept, ends) if choices] or self._bare(chunk)

    def close(self) -> list[Json]:
        """What is still held when the stream ends without a finish reason, as choices."""
        held, self._held = self._held, {}
        return [
            {"index": index, "delta": {"content": rest}, "finish_reason": None} for index, rest in held.items() if rest
        ]

    def cut(self, whole: JsonObject) -> JsonObject:
        """A whole answer, ended before the first match; itself when there is none."""
        changed = False
        choices: list[Json] = []
        for part in objects(whole.get("choices")):
            message = obj(part.get("message"))
            content = text(message.get("content"))
            end = self._match(content)
            if end >= 0:
                changed = True
                said = {name: value for name, value in message.items() if name not in ("tool_calls", "function_call")}
                cut: JsonObject = {**part, "message": {**said, "content": content[:end]}, "finish_reason": "stop"}
                choices.append(cut)
            else:
                choices.append(part)
        return {**whole, "choices": choices} if changed else whole

    def _part(self, part: JsonObject, index: int) -> JsonObject | None:
        """The choice as it may leave now; ``None`` when nothing of it may."""
        delta = obj(part.get("delta"))
        said, held = text(delta.get("content")), self._held.get(index, "")
        ended = part.get("finish_reason") is not None or "tool_calls" in delta
        if not held and not said:
            return part
        whole = held + said
        end = self._match(whole)
        if end >= 0:
            self._stopped.add(index)
            self._held.pop(index, None)
            return {**part, "delta": {**delta, "content": whole[:end]}, "finish_reason": None} if end else None
        rest = "" if ended else next((head for head in self._heads if whole.endswith(head)), "")
        self._held[index] = rest
        if not held and not rest:
            return part
        free = whole[: len(whole) - len(rest)]
        if not free and len(delta) <= 1 and part.get("finish_reason") is None:
            return None
        return {**part, "delta": {**delta, "content": free}}

    def _match(self, said: str) -> int:
        """Where the first sequence begins, -1 for none."""
        found = [at for sequence in self._sequences if (at := said.find(sequence)) >= 0]
        return min(found, default=-1)

    def _bare(self, chunk: JsonObject) -> list[JsonObject]:
        """Usage that stands beside choices which may not leave must not be lost."""
        return [{**chunk, "choices": []}] if chunk.get("usage") is not None else []
