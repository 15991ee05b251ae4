"""Log probabilities: those of a plain answer beside the tokens they belong to, and lists of them that go on."""

from typing import cast

from ...wire.values import Json, JsonObject, items, obj, text
from .growing import Growing, Kept
from .pieces import tokens


def longer(kept: Growing, value: Json) -> None:
    """Adds what a chunk says of ``logprobs`` to the member of that name."""
    old = kept.get("logprobs")
    if not isinstance(value, dict):
        kept.setdefault("logprobs", None)
    elif not isinstance(old, dict):
        kept["logprobs"] = cast(
            "Kept", {name: [*told] if isinstance(told, list) else told for name, told in value.items()}
        )
    else:
        for name, told in value.items():
            known = old.get(name)
            if isinstance(known, list) and isinstance(told, list):
                known.extend(cast("list[Kept]", told))
            elif told is not None or name not in old:
                old[name] = cast("Kept", [*told] if isinstance(told, list) else told)


def spread(name: str, said: str, logprobs: JsonObject) -> list[tuple[bytes, Json]]:
    """Each token of ``said`` (the inside of a JSON string) with its ``logprobs``, as chat has them under ``name``; none where the
    tokens are not those of the text."""
    entries = items(logprobs.get(name))
    if not entries or any(value for other, value in logprobs.items() if other != name):
        return []
    pieces = tokens(said, [text(obj(entry).get("token")) for entry in entries])
    return [(piece, {**logprobs, name: [entry]}) for piece, entry in zip(pieces, entries, strict=False)]


def spread_lists(said: str, logprobs: JsonObject) -> list[tuple[bytes, Json]]:
    """The same for legacy completions, whose ``logprobs`` are lists beside ``tokens``."""
    listed = items(logprobs.get("tokens"))
    lists = {name: value for name, value in logprobs.items() if isinstance(value, list)}
    if any(len(value) != len(listed) for value in lists.values()):
        return []
    if any(value for name, value in logprobs.items() if name not in lists):
        return []
    pieces = tokens(said, [text(token) for token in listed])
    return [
        (piece, {**logprobs, **{name: [value[at]] for name, value in lists.items()}}) for at, piece in enumerate(pieces)
    ]
