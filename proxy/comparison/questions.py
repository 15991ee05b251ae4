"""Who is asked what: each prompt to each model, as the bodies that are sent, with what each can cost at most."""

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct

from ..wire.values import Json, JsonObject, count, objects
from .dataset import Dataset, Prompt, digest
from .spending import Tariff

USUAL = 500
"""Output tokens of an answer nobody has capped lower, for the likely cost: what the gateway reckons with, too."""

PART = 20_000
"""Tokens that an image, a sound or a file may come to: its bytes do not bound them, as it may be a mere address."""


class Asking(Struct, frozen=True, kw_only=True):
    """What holds for every question; ``None`` is left out of the body. ``max_tokens`` bounds what an answer can cost."""

    max_tokens: int = 1024
    temperature: float | None = None
    seed: int | None = None
    stream: bool = True


class Question(Struct, frozen=True, kw_only=True):
    """One prompt to one model. ``key`` stands for both and every setting; ``bound`` and ``likely`` in micro-dollars."""

    prompt: Prompt
    model: str
    body: JsonObject
    key: str
    bound: int
    likely: int


def questions(
    dataset: Dataset, models: Sequence[str], asking: Asking, tariffs: Mapping[str, Tariff | None]
) -> list[Question]:
    """Prompt by prompt, so that what is there of a run that was broken off compares the models on the same prompts."""
    return [_question(prompt, model, asking, tariffs.get(model)) for prompt in dataset.prompts for model in models]


def _question(prompt: Prompt, model: str, asking: Asking, tariff: Tariff | None) -> Question:
    body: JsonObject = {"model": model, **prompt.request}
    if not body.keys() & {"max_tokens", "max_completion_tokens"}:
        body["max_tokens"] = asking.max_tokens
    for name, value in (("temperature", asking.temperature), ("seed", asking.seed)):
        if value is not None and name not in body:
            body[name] = value
    asked: list[Json] = [model, {**body}]
    if asking.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    cap, price = cap_of(body), tariff.dearest if tariff is not None else None
    size = len(json.dumps(prompt.request, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    others = _parts(prompt.request["messages"]) * PART
    return Question(
        prompt=prompt,
        model=model,
        body=body,
        key=digest(asked),
        bound=price.of(size + others, cap) if price is not None else 0,
        likely=price.of(size // 4 + 1, min(cap, USUAL)) if price is not None else 0,
    )


def bound_of(body: JsonObject, tariff: Tariff | None) -> int:
    """What a request of texts can cost at most: no token is shorter than a byte."""
    if tariff is None:
        return 0
    size = len(json.dumps(body["messages"], ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return tariff.dearest.of(size, cap_of(body))


def cap_of(body: JsonObject) -> int:
    """Output tokens at most, of a body that has a cap."""
    given = [count(body.get(name)) for name in ("max_completion_tokens", "max_tokens")]
    return max((cap for cap in given if cap is not None), default=0)


def _parts(messages: Json) -> int:
    """How many parts are no text."""
    listed = messages if isinstance(messages, list) else []
    return sum(part.get("type") != "text" for message in objects(listed) for part in objects(message.get("content")))
