"""The response object around the output: what was asked, how it ended, what it cost."""

from ...wire.values import Json, JsonObject, count, items, obj
from ..ask import Ask

_DEFAULTS: dict[str, Json] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "service_tier": "auto",
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What OpenAI shows for a parameter that was not given."""

_REASONS: dict[Json, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Echo:
    """Builds the response object of one request."""

    def __init__(self, asked: JsonObject, ask: Ask) -> None:
        self.encrypted = "reasoning.encrypted_content" in items(asked.get("include"))
        """Did the client ask for reasoning it can send back?"""
        found: JsonObject = {
            "id": f"resp_{ask.request_id}",
            "object": "response",
            "created_at": ask.created,
            "status": "in_progress",
            "background": False,
            "error": None,
            "incomplete_details": None,
            "model": ask.public or ask.model,
            "output": [],
            "previous_response_id": None,
            "store": False,
            "usage": None,
        }
        for name, default in _DEFAULTS.items():
            given = asked.get(name)
            found[name] = default if given is None else given
        reasoning = obj(asked.get("reasoning"))
        found["reasoning"] = {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")}
        shape = obj(asked.get("text"))
        found["text"] = {"format": {"type": "text"}, **{name: shape[name] for name in shape if shape[name] is not None}}
        self._members = found

    def begun(self) -> JsonObject:
        """The response before its first item."""
        return self._members

    def ended(self, output: list[JsonObject], finish: Json, usage: Json) -> JsonObject:
        """The response after its last item. ``finish``: chat's reason, ``usage``: chat's figures."""
        reason = _REASONS.get(finish) if isinstance(finish, str) else None
        return {
            **self._members,
            "status": "incomplete" if reason else "completed",
            "incomplete_details": {"reason": reason} if reason else None,
            "output": [*output],
            "usage": usage_of(usage),
        }

    def failed(self, output: list[JsonObject], code: str, message: str, usage: Json) -> JsonObject:
        """The response that an error ended."""
        return {
            **self._members,
            "status": "failed",
            "error": {"code": code, "message": message},
            "output": [*output],
            "usage": usage_of(usage),
        }


def unfinished(finish: Json) -> bool:
    """Was the answer cut off?"""
    return isinstance(finish, str) and finish in _REASONS


def usage_of(reported: Json) -> Json:
    """Chat's usage in the names of the Responses API; ``None`` when none was reported."""
    usage = obj(reported)
    prompt = count(usage.get("prompt_tokens"))
    if prompt is None:
        return None
    completion = count(usage.get("completion_tokens")) or 0
    details, written = obj(usage.get("prompt_tokens_details")), obj(usage.get("completion_tokens_details"))
    cached = min(count(details.get("cached_tokens")) or 0, prompt)
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": min(count(details.get("cache_write_tokens")) or 0, prompt - cached),
        },
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": min(count(written.get("reasoning_tokens")) or 0, completion)},
        "total_tokens": prompt + completion,
    }
