"""Answers in Anthropic's shape that are no messages: token counts and the list of models."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from ...wire.values import Json, JsonObject, dumps


class Listed(Struct, frozen=True, kw_only=True):
    """A model to be listed. ``created``: unix seconds, 0 when it is not known, which Anthropic writes as the epoch too."""

    id: str
    name: str = ""
    created: int = 0
    lifecycle: Literal["active", "deprecated", "retired"] = "active"
    max_input: int | None = None
    max_output: int | None = None


def token_count(tokens: int) -> bytes:
    """The body of ``/v1/messages/count_tokens``."""
    return b'{"input_tokens":%d}' % tokens


def model(listed: Listed) -> JsonObject:
    """One model, as ``GET /v1/models/{id}`` answers it."""
    created = datetime.fromtimestamp(listed.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "model",
        "id": listed.id,
        "display_name": listed.name or listed.id,
        "created_at": created,
        "lifecycle": listed.lifecycle,
        "max_input_tokens": listed.max_input,
        "max_tokens": listed.max_output,
    }


def model_list(models: Iterable[Listed]) -> bytes:
    """The body of ``GET /v1/models``: all of them on one page."""
    data: list[Json] = [model(listed) for listed in models]
    first = data[0] if data else None
    last = data[-1] if data else None
    return dumps(
        {
            "data": data,
            "has_more": False,
            "first_id": first["id"] if isinstance(first, dict) else None,
            "last_id": last["id"] if isinstance(last, dict) else None,
        }
    )
