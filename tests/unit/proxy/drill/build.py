"""Shapes and cases for the tests, from the words of a configuration."""

from typing import Any

import msgspec

from proxy.config import Config
from proxy.config.secrets import decode_secret
from proxy.drill.cases import Case, cases_of
from proxy.drill.expect import Patience
from proxy.drill.faults import DRILLED
from proxy.drill.seen import Seen
from proxy.drill.shape import Shape, shapes_of

PATIENCE = Patience(connect=1.0, answer=2.0, total=30.0)
TRUTHS = {0: "the first text", 1: "the second text", 2: "the third text"}


def config(models: dict[str, Any], **sections: Any) -> Config:
    """Providers ``a``, ``b`` and ``c``, of three kinds."""
    providers = {
        "a": {"use": "openai", "api_key": "sk-real-a"},
        "b": {"use": "anthropic", "api_key": "sk-real-b"},
        "c": {"use": "gemini", "api_key": "sk-real-c"},
    }
    found = {"providers": {**providers, **sections.pop("providers", {})}, "models": models, **sections}
    return msgspec.convert(found, Config, dec_hook=_decoded)


def _decoded(kind: type, value: object) -> object:
    """Secrets, and the free-form texts of options as they are."""
    return value if kind is object else decode_secret(kind, value)


def route(*names: str, **settings: Any) -> dict[str, Any]:
    """A model with a target at each of the providers named (``a`` or ``a/model``)."""
    targets = [{"provider": name.split("/")[0], "model": name.partition("/")[2] or "m"} for name in names]
    return {"targets": targets, **settings}


def shape(*names: str, **settings: Any) -> Shape:
    """The one route of a configuration."""
    (found,) = shapes_of(config({"r": route(*names, **settings)}))
    return found


def case(of: Shape, fault: str, where: str, *, stream: bool = False) -> Case:
    """The case of a drill with that fault at that place."""
    rows = cases_of([of], [DRILLED[fault]])
    (found,) = [one for one in rows if (one.fault.name, one.where.label, one.stream) == (fault, where, stream)]
    return found


def answered(place: int, *, attempts: int = 1, struck: int = 0, text: str | None = None, seconds: float = 0.1) -> Seen:
    """A good answer of a place."""
    return Seen(
        kind="answer",
        status=200,
        text=TRUTHS[place] if text is None else text,
        place=place,
        attempts=attempts,
        calls=attempts,
        struck=struck,
        reason="a/m: server_error 500" if attempts > 1 else "",
        seconds=seconds,
    )


def refused(
    status: int, *, calls: int = 1, source: str = "gateway", retry_after: str = "", kind: str = "error"
) -> Seen:
    """An error."""
    return Seen(
        kind=kind,  # type: ignore[arg-type]
        status=status,
        errors=("code: words",),
        source=source,
        retry_after=retry_after,
        calls=calls,
        struck=calls,
        seconds=0.1,
    )
