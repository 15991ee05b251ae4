"""What an SDK call answered, as plain data: models dumped, streams and pages read to their end, bytes as they are."""

import inspect
from collections.abc import Callable
from typing import Any

from openai import AsyncOpenAI, OpenAI
from openai.pagination import AsyncCursorPage, SyncCursorPage
from pydantic import BaseModel

from .calls import Step

UPSTREAM = "req_0000000000000000"
"""How the request ids of the upstream begin; the gateway's own are random to the last digit."""

FORMED = ("FileObject", "ImagesResponse", "Transcription", "TranscriptionVerbose", "Translation", "UploadPart", "Video")
"""Answers to multipart requests."""


def sync_answers(client: OpenAI, steps: tuple[Step, ...]) -> list[Any]:
    """Runs every step; returns what each one answered."""
    results: list[Any] = []
    found = []
    for step in steps:
        value = step(client, results)
        results.append(value)
        found.append(_read(value))
    return found


async def async_answers(client: AsyncOpenAI, steps: tuple[Step, ...]) -> list[Any]:
    """The same with the asynchronous client."""
    results: list[Any] = []
    found = []
    for step in steps:
        value = step(client, results)
        if inspect.isawaitable(value) and not isinstance(value, AsyncCursorPage) and not hasattr(value, "__aenter__"):
            value = await value
        results.append(value)
        found.append(await _aread(value))
    return found


def _read(value: Any) -> Any:
    if isinstance(value, BaseModel) and not isinstance(value, SyncCursorPage):
        return _plain(value)
    if hasattr(value, "__enter__") and not hasattr(value, "__next__"):
        with value as opened:
            return _opened(opened, list)
    return _whole(value)


async def _aread(value: Any) -> Any:
    if isinstance(value, BaseModel) and not isinstance(value, AsyncCursorPage):
        return _plain(value)
    if hasattr(value, "__aenter__") and not hasattr(value, "__anext__"):
        async with value as opened:
            if hasattr(opened, "iter_bytes"):
                return _shown(opened.headers), b"".join([piece async for piece in opened.iter_bytes()])
            events = [_plain(event) async for event in opened]
            return events, _plain(await _final(opened)())
    if hasattr(value, "__aiter__"):
        return [_plain(item) async for item in value]
    return _whole(value)


def _opened(opened: Any, collect: Callable[[Any], list[Any]]) -> Any:
    """A stream helper's events and final object, or a streamed body's headers and bytes."""
    if hasattr(opened, "iter_bytes"):
        return _shown(opened.headers), b"".join(opened.iter_bytes())
    events = [_plain(event) for event in collect(opened)]
    return events, _plain(_final(opened)())


def _final(opened: Any) -> Any:
    return getattr(opened, "get_final_completion", None) or opened.get_final_response


def _shown(headers: Any) -> tuple[str, ...]:
    return headers["content-type"], headers.get("content-disposition", "")


def _whole(value: Any) -> Any:
    if value is None or isinstance(value, str | bytes):
        return value
    if hasattr(value, "response") and hasattr(value, "content"):
        return value.response.status_code, _shown(value.response.headers), value.content
    return [_plain(item) for item in value]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return type(value).__name__, value.model_dump(mode="json", warnings="none"), _identity(value)
    return value


def _identity(value: BaseModel) -> str | None:
    """The request id; of the answers to forms only whose it is, as the SDK's boundary (and so the request) differs each time."""
    found: str | None = getattr(value, "_request_id", None)
    form = type(value).__name__ in FORMED
    return found[: len(UPSTREAM)] if found is not None and form else found
