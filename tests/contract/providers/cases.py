"""The fixtures as values: one case is a question, what must be sent for it, the provider's answer in two forms, and what it means."""

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from proxy.errors import RawHeaders
from proxy.wire.values import JsonObject

FIXTURES = Path(__file__).parent / "fixtures"

MEMBERS = frozenset(("about", "model", "options", "base_url", "request", "sent", "reply", "stream", "expect"))


class Answer(Struct, frozen=True, kw_only=True):
    """What the provider sends: the bytes of a whole answer, or of a stream."""

    status: int
    headers: RawHeaders
    data: bytes

    @property
    def kind(self) -> str:
        """The content type, without parameters."""
        found = next((value for name, value in self.headers if name == b"content-type"), b"")
        return found.decode().partition(";")[0].strip().lower()


class Case(Struct, frozen=True, kw_only=True):
    """One fixture file."""

    provider: str
    name: str
    model: str
    options: JsonObject
    base_url: str | None
    path: str
    headers: dict[str, str]
    body: JsonObject
    sent: dict[str, Any] | None
    reply: Answer | None
    stream: Answer | None
    expect: dict[str, Any]

    @property
    def label(self) -> str:
        """How a failing test names it."""
        return f"{self.provider}-{self.name}"


def _answer(given: dict[str, Any] | None) -> Answer | None:
    if given is None:
        return None
    if "base64" in given:
        data = base64.b64decode(given["base64"])
    elif "text" in given:
        data = given["text"].encode("utf-8", "surrogatepass")
    else:
        data = json.dumps(given["body"], ensure_ascii=False).encode()
    headers = tuple((name.lower().encode(), str(value).encode()) for name, value in given.get("headers", {}).items())
    return Answer(status=given["status"], headers=headers, data=data)


def load(path: Path) -> Case:
    """The case in a file. A member that nobody reads would test nothing, so it is an error."""
    found = json.loads(path.read_text(encoding="utf-8"))
    unknown = set(found) - MEMBERS
    assert not unknown, f"{path}: {unknown}"
    request = found["request"]
    return Case(
        provider=path.parent.name,
        name=path.stem,
        model=found["model"],
        options=found.get("options") or {},
        base_url=found.get("base_url"),
        path=request["path"],
        headers=request.get("headers") or {},
        body=request["body"],
        sent=found.get("sent"),
        reply=_answer(found.get("reply")),
        stream=_answer(found.get("stream")),
        expect=found.get("expect") or {},
    )


@cache
def cases() -> tuple[Case, ...]:
    """All of them, by provider and name."""
    return tuple(load(path) for path in sorted(FIXTURES.glob("*/*.json")))


def case(provider: str, name: str) -> Case:
    """One of them."""
    return load(FIXTURES / provider / f"{name}.json")
