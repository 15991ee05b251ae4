"""The questions: one JSON object a line. A line that cannot be read is told with its number, and the rest is asked.

``{"id", "class", "prompt" | "messages" | "request", "system", "check"}``; docs/compare.md describes the fields.
"""

import hashlib
import json
from pathlib import Path

from msgspec import Struct

from ..wire.values import Json, JsonObject, objects
from .checks import Check, check_of

LARGEST = 256 * 1024 * 1024
"""Bytes of a dataset."""

_FIELDS = ("id", "class", "prompt", "messages", "request", "system", "check")
_OURS = ("model", "stream", "stream_options", "n")
"""Members of a request that the comparison sets itself."""

UNCLASSED = "all"


class Prompt(Struct, frozen=True, kw_only=True):
    """One question: ``request`` is the body of a chat request without the model and what is set for all of them."""

    id: str
    line: int
    kind: str
    request: JsonObject
    check: Check | None


class Broken(Struct, frozen=True):
    """A line that is left out, and why."""

    line: int
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}"


class Dataset(Struct, frozen=True, kw_only=True):
    """``digest`` stands for everything that is asked; checks are not part of it."""

    name: str
    prompts: tuple[Prompt, ...]
    broken: tuple[Broken, ...]
    digest: str


def read_dataset(path: str | Path, *, otherwise: Check | None = None, most: int | None = None) -> Dataset:
    """Reads the file; ``otherwise`` is the check of lines without one, ``most`` how many questions are taken.

    Raises ``OSError``, and ``ValueError`` for a file that is too large.
    """
    with open(path, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"{path} is larger than {LARGEST // 2**20} MiB; split it")
    prompts: dict[str, Prompt] = {}
    broken = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if not line.strip():
            continue
        try:
            prompt = _prompt(line, number, otherwise)
            if prompt.id in prompts:
                raise ValueError(f"has the same id as line {prompts[prompt.id].line}, {prompt.id!r}; ids are unique")
        except ValueError as error:
            broken.append(Broken(number, str(error)))
            continue
        prompts[prompt.id] = prompt
    found = tuple(prompts.values())[:most]
    asked: list[Json] = [[prompt.id, prompt.request] for prompt in found]
    return Dataset(name=Path(path).name, prompts=found, broken=tuple(broken), digest=digest(asked))


def digest(value: Json) -> str:
    """The same for the same JSON value, whatever the order of members."""
    data = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(data.encode()).hexdigest()


def _prompt(line: bytes, number: int, otherwise: Check | None) -> Prompt:
    found = _object(line)
    unknown = [name for name in found if name not in _FIELDS]
    if unknown:
        raise ValueError(f"has the field {unknown[0]!r}, which means nothing here; fields are {', '.join(_FIELDS)}")
    request = _request(found)
    check = otherwise
    if found.get("check") is not None:
        try:
            check = check_of(found["check"])
        except ValueError as error:
            raise ValueError(f"its check {error}") from None
    name = found.get("id")
    if name is not None and not (isinstance(name, str | int) and not isinstance(name, bool) and str(name)):
        raise ValueError("has an id that is neither text nor a whole number")
    kind = found.get("class", UNCLASSED)
    if not isinstance(kind, str) or not kind.strip():
        raise ValueError("has a class that is no text")
    own = str(name) if name is not None else digest(request)[:12]
    return Prompt(id=own, line=number, kind=kind.strip(), request=request, check=check)


def _object(line: bytes) -> JsonObject:
    try:
        found = json.loads(line.decode())
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except ValueError as error:
        raise ValueError(f"is not JSON ({error})") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("has half of a character (a lone surrogate) in it") from None
    if not isinstance(found, dict):
        raise ValueError('is no object; write it like {"prompt": "…"}')
    return found


def _request(found: JsonObject) -> JsonObject:
    """The body that the line asks for."""
    request = found.get("request", {})
    if not isinstance(request, dict):
        raise ValueError("has a request that is no object")
    for name in _OURS:
        if name in request:
            raise ValueError(f"has {name!r} in its request; the comparison sets that itself")
    given: list[str] = [name for name in ("prompt", "messages") if name in found]
    given += ["request.messages"] if "messages" in request else []
    if len(given) != 1:
        raise ValueError(
            f"has {' and '.join(given) or 'no question'}; it needs one of prompt, messages, request.messages"
        )
    messages = request.get("messages", found.get("messages"))
    if "prompt" in found:
        if not isinstance(found["prompt"], str) or not found["prompt"].strip():
            raise ValueError("has a prompt that is no text")
        messages = [{"role": "user", "content": found["prompt"]}]
    if not isinstance(messages, list) or not messages or not _are_messages(messages):
        raise ValueError("has messages that are no list of objects with a role")
    if "system" in found:
        if not isinstance(found["system"], str):
            raise ValueError("has a system text that is no text")
        messages = [{"role": "system", "content": found["system"]}, *messages]
    return {**request, "messages": messages}


def _are_messages(messages: list[Json]) -> bool:
    given = objects(messages)
    return len(given) == len(messages) and all(isinstance(each.get("role"), str) for each in given)
