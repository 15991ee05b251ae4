"""What the tests of this folder share: asks, encoded bodies, frames."""

from collections.abc import Iterable

import orjson

from proxy.catalogue.behaviour import Behaviour
from proxy.providers.gemini.dialect import Gemini
from proxy.translation.ask import Ask
from proxy.wire.values import Json, JsonObject

BUDGET = Behaviour(thinking="budget", thinking_budget=(1, 24576))
LEVEL = Behaviour(thinking="level", efforts=("low", "medium", "high"), can_disable_thinking=False)


def ask(model: str = "gemini-2.5-flash", behaviour: Behaviour | None = None, *, stream: bool = False) -> Ask:
    return Ask(model=model, request_id="0123abcd", created=7, stream=stream, behaviour=behaviour or Behaviour())


def encode(chat: JsonObject, to: Ask, *, vertex: bool = False) -> JsonObject:
    """The body that ``chat`` becomes."""
    found: JsonObject = orjson.loads(Gemini(vertex=vertex).encode(chat, to).body)
    return found


def user(content: Json = "hi", **more: Json) -> JsonObject:
    """A chat request of one user message."""
    return {"model": "m", "messages": [{"role": "user", "content": content}], **more}


def frame(*parts: Json, finish: str = "", **more: Json) -> JsonObject:
    """One ``GenerateContentResponse``; ``more``: members of the candidate."""
    candidate: JsonObject = {"content": {"role": "model", "parts": [*parts]}, **more}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-real", "responseId": "r1"}


def decode(document: Json, to: Ask | None = None) -> JsonObject:
    """A whole answer."""
    return Gemini().decode(orjson.dumps(document), to or ask())


def events(frames: Iterable[Json]) -> bytes:
    """A stream as Google writes it."""
    return b"".join(b"data: " + orjson.dumps(frame) + b"\r\n\r\n" for frame in frames)


def message(answer: JsonObject, index: int = 0) -> JsonObject:
    """The message of a choice."""
    choices = answer["choices"]
    assert isinstance(choices, list)
    choice = choices[index]
    assert isinstance(choice, dict)
    found = choice["message"]
    assert isinstance(found, dict)
    return found


def finish(answer: JsonObject, index: int = 0) -> Json:
    """The finish reason of a choice."""
    choices = answer["choices"]
    assert isinstance(choices, list)
    choice = choices[index]
    assert isinstance(choice, dict)
    return choice["finish_reason"]
