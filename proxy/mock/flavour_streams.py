"""Steps that turn OpenAI's chat answers into those of other providers: each takes chunks and yields chunks.

The chunks that come in are the mock's own: role, thoughts in `reasoning_content`, text, tool calls in pieces, the finish
chunk, and a usage chunk without choices. A comment or another whole event is yielded as bytes.
"""

from collections.abc import Callable, Iterator
from typing import Any

from .reply import Call, Object

Chunk = dict[str, Any]
Chunks = Iterator[Chunk | bytes]
Step = Callable[[Chunks, Call], Chunks]
OPEN, CLOSE = "<think>\n", "\n</think>\n\n"


def deltas(chunk: Chunk | bytes) -> list[Chunk]:
    """Return the deltas of a chunk."""
    return [] if isinstance(chunk, bytes) else [choice["delta"] for choice in chunk["choices"]]


def finish_of(chunk: Chunk | bytes) -> str | None:
    """Return why the choice of the chunk ended, None when it goes on."""
    if isinstance(chunk, bytes) or not chunk["choices"]:
        return None
    found: str | None = chunk["choices"][0]["finish_reason"]
    return found


def renamed(name: str) -> Step:
    """Thoughts in the member `name`."""

    def step(chunks: Chunks, call: Call) -> Chunks:
        for chunk in chunks:
            for delta in deltas(chunk):
                if "reasoning_content" in delta:
                    delta[name] = delta.pop("reasoning_content")
            yield chunk

    return step


def tagged(chunks: Chunks, call: Call) -> Chunks:
    """Thoughts in the text, between <think> and </think>."""
    open_at: set[int] = set()
    for chunk in chunks:
        for choice in [] if isinstance(chunk, bytes) else chunk["choices"]:
            delta, index = choice["delta"], choice["index"]
            if "reasoning_content" in delta:
                thought = delta.pop("reasoning_content")
                delta["content"] = thought if index in open_at else OPEN + thought
                open_at.add(index)
            elif index in open_at and (delta.get("content") or delta.get("tool_calls") or choice["finish_reason"]):
                delta["content"] = CLOSE + (delta.get("content") or "")
                open_at.discard(index)
        yield chunk


def parted(kind: Callable[[str], Object]) -> Step:
    """Thoughts as parts of a content that is an array."""

    def step(chunks: Chunks, call: Call) -> Chunks:
        for chunk in chunks:
            for delta in deltas(chunk):
                if "reasoning_content" in delta:
                    delta["content"] = [kind(delta.pop("reasoning_content"))]
            yield chunk

    return step


def nulled(chunks: Chunks, call: Call) -> Chunks:
    """`content: null` beside thoughts, and the other way round, as DeepSeek does."""
    for chunk in chunks:
        for delta in deltas(chunk):
            if "reasoning_content" in delta:
                delta["content"] = None
            elif delta.get("content"):
                delta["reasoning_content"] = None
        yield chunk


def role_everywhere(chunks: Chunks, call: Call) -> Chunks:
    """`role` in every delta."""
    for chunk in chunks:
        for delta in deltas(chunk):
            delta["role"] = "assistant"
        yield chunk


def whole_calls(chunks: Chunks, call: Call) -> Chunks:
    """Each tool call whole, those of a choice in one chunk; a plain answer has them so already."""
    made: dict[int, dict[int, Chunk]] = {}
    for chunk in chunks:
        if isinstance(chunk, bytes) or not chunk["choices"]:
            yield chunk
            continue
        choice = chunk["choices"][0]
        parts, index = choice["delta"].get("tool_calls"), choice["index"]
        if parts and not choice["finish_reason"]:
            for part in parts:
                _collect(made.setdefault(index, {}), part)
            continue
        if index in made and choice["finish_reason"]:
            delta = {"tool_calls": list(made.pop(index).values())}
            yield {**chunk, "choices": [{**choice, "delta": delta, "finish_reason": None}]}
        yield chunk


def _collect(calls: dict[int, Chunk], part: Chunk) -> None:
    """Add a piece of a tool call to the calls of its choice."""
    known = calls.setdefault(part["index"], part)
    if known is part:
        return
    kind, member = ("custom", "input") if "custom" in part else ("function", "arguments")
    known[kind][member] += part[kind][member]


def usage_in_finish(chunks: Chunks, call: Call) -> Chunks:
    """Usage in the chunk that says why the answer ended."""
    yield from _joined(chunks, lambda finish, usage: {**finish, "usage": usage})


def usage_in_choice(chunks: Chunks, call: Call) -> Chunks:
    """Usage inside the first choice of the finish chunk, as Moonshot had it."""

    def joined(finish: Chunk, usage: object) -> Chunk:
        finish["choices"][0]["usage"] = usage
        return {name: value for name, value in finish.items() if name != "usage"}

    yield from _joined(chunks, joined)


def usage_in_x_groq(chunks: Chunks, call: Call) -> Chunks:
    """Usage in `x_groq` of the finish chunk; the first chunk carries the request's id there."""
    key = f"req_{call.derive('groq'):016x}"

    def joined(finish: Chunk, usage: object) -> Chunk:
        kept = {name: value for name, value in finish.items() if name != "usage"}
        return {**kept, "x_groq": {"id": key, "usage": usage}}

    first = True
    for chunk in _joined(chunks, joined):
        if first and not isinstance(chunk, bytes):
            chunk["x_groq"], first = {"id": key}, False
        yield chunk


def _joined(chunks: Chunks, join: Callable[[Chunk, object], Chunk]) -> Chunks:
    """Hold the last finish chunk until the usage chunk comes, and yield what `join` makes of both."""
    held: Chunk | None = None
    for chunk in chunks:
        if held is not None and not isinstance(chunk, bytes) and not chunk["choices"]:
            yield join(held, chunk["usage"])
            held = None
            continue
        if held is not None:
            yield held
            held = None
        if finish_of(chunk) is not None and not isinstance(chunk, bytes):
            held = chunk
        else:
            yield chunk
    if held is not None:
        yield held


def usage_everywhere(chunks: Chunks, call: Call) -> Chunks:
    """Usage that grows in every chunk, as SiliconFlow and Perplexity report it."""
    said = 0
    for chunk in usage_in_finish(chunks, call):
        if not isinstance(chunk, bytes) and call.controls.usage is not False and not chunk.get("usage"):
            said += 1
            chunk["usage"] = {"prompt_tokens": 1, "completion_tokens": said, "total_tokens": said + 1}
        yield chunk


def usage_beside_empty_delta(chunks: Chunks, call: Call) -> Chunks:
    """The usage chunk has one choice with an empty delta, as OpenRouter's."""
    for chunk in chunks:
        if not isinstance(chunk, bytes) and not chunk["choices"]:
            empty = {"role": "assistant", "content": ""}
            chunk["choices"] = [{"index": 0, "delta": empty, "finish_reason": None, "native_finish_reason": None}]
        yield chunk


def without(*names: str) -> Step:
    """Chunks without these members."""

    def step(chunks: Chunks, call: Call) -> Chunks:
        for chunk in chunks:
            for name in names if not isinstance(chunk, bytes) else ():
                chunk.pop(name, None)  # type: ignore[union-attr]
            yield chunk

    return step


def comment(text: bytes) -> Step:
    """A comment first, and again between the first events."""

    def step(chunks: Chunks, call: Call) -> Chunks:
        line = b": " + text + b"\n\n"
        for index, chunk in enumerate(chunks):
            if index < 2:
                yield line
            yield chunk

    return step


def finishing(**words: str) -> Step:
    """Other words for why an answer ended."""

    def step(chunks: Chunks, call: Call) -> Chunks:
        for chunk in chunks:
            for choice in [] if isinstance(chunk, bytes) else chunk["choices"]:
                choice["finish_reason"] = words.get(choice["finish_reason"] or "none", choice["finish_reason"])
            yield chunk

    return step


def other_ids(chunks: Chunks, call: Call) -> Chunks:
    """A different id in every chunk and `stub` in the last, for Groq's compound models."""
    if "compound" not in str(call.document().get("model")):
        yield from chunks
        return
    for index, chunk in enumerate(chunks):
        if not isinstance(chunk, bytes):
            chunk["id"] = "stub" if finish_of(chunk) else f"{chunk['id']}{index}"
        yield chunk


def tool_ids(made: Callable[[str, str, int], str]) -> Step:
    """Ids of tool calls in the provider's form, made of the id, the tool's name and its place."""

    def step(chunks: Chunks, call: Call) -> Chunks:
        for chunk in chunks:
            for delta in deltas(chunk):
                for part in delta.get("tool_calls") or ():
                    if "id" in part:
                        named = part.get("function") or part.get("custom") or {}
                        part["id"] = made(part["id"], str(named.get("name")), part["index"])
            yield chunk

    return step


def cumulative(chunks: Chunks, call: Call) -> Chunks:
    """The message so far beside every delta, with sources in the late chunks, as Perplexity's full mode has it."""
    said = ""
    sources = [{"title": "The road", "url": "https://example.com/road", "date": None}]
    for chunk in chunks:
        for choice in [] if isinstance(chunk, bytes) else chunk["choices"]:
            said += choice["delta"].get("content") or ""
            choice["message"] = {"role": "assistant", "content": said}
            choice["delta"].setdefault("content", "")
        if finish_of(chunk) and not isinstance(chunk, bytes):
            chunk |= {"citations": [source["url"] for source in sources], "search_results": sources}
        yield chunk


def detailed(chunks: Chunks, call: Call) -> Chunks:
    """`reasoning_details` beside `reasoning`, as OpenRouter has them."""
    for chunk in chunks:
        for delta in deltas(chunk):
            if "reasoning" in delta:
                detail = {"type": "reasoning.text", "text": delta["reasoning"], "format": "unknown", "index": 0}
                delta["reasoning_details"] = [detail]
        yield chunk


def members(**fields: object) -> Step:
    """These members in every chunk."""

    def step(chunks: Chunks, call: Call) -> Chunks:
        for chunk in chunks:
            yield chunk if isinstance(chunk, bytes) else {**chunk, **fields}

    return step


def choice_members(**fields: object) -> Step:
    """These members in every choice; a value that is callable is given the choice."""

    def step(chunks: Chunks, call: Call) -> Chunks:
        for chunk in chunks:
            for choice in [] if isinstance(chunk, bytes) else chunk["choices"]:
                choice |= {name: value(choice) if callable(value) else value for name, value in fields.items()}
            yield chunk

    return step


def usage_members(change: Callable[[Chunk], Chunk]) -> Step:
    """Usage as `change` makes it."""

    def step(chunks: Chunks, call: Call) -> Chunks:
        for chunk in chunks:
            if not isinstance(chunk, bytes) and chunk.get("usage"):
                chunk["usage"] = change(chunk["usage"])
            yield chunk

    return step
