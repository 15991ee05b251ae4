"""Errors of providers that speak OpenAI's dialect but not its error envelope, and errors inside answers that claim success."""

from collections.abc import Mapping

from msgspec import Struct

from ...errors import RawHeaders, TollwayError, UpstreamAuthFailed, UpstreamRejected, UpstreamUnavailable
from ...translation.failures import Said, code_number, rejected, said
from ...wire.values import Json, JsonObject, items, obj, objects, text
from .quirks import Meaning, Quirks

TYPES = frozenset(
    """invalid_request_error authentication_error permission_error not_found_error rate_limit_error requests tokens
    insufficient_quota server_error api_error service_unavailable_error""".split()
)
"""OpenAI's words for the type of an error; any other is replaced by the status's."""

MOST = 500
"""Characters of a foreign sentence in the log."""


class Failure(Struct, frozen=True):
    """An error found in an answer; ``status`` is what it should have come with."""

    status: int
    said: Said


def failure_in(document: JsonObject, quirks: Quirks) -> Failure | None:
    """The error in an answer or chunk that came with status 200; ``None``: there is none."""
    error = document.get("error")
    if error:
        return _failure(document, error, quirks)
    base = document.get("base_resp")
    if isinstance(base, dict) and base.get("status_code") not in (0, None):
        found = Said(text(base.get("status_msg")) or "The provider failed.", "", str(base["status_code"]))
        return Failure(_status(None, found, quirks), found)
    if document.get("success") is False and items(document.get("errors")):
        return _failure(document, None, quirks)
    choices = items(document.get("choices"))
    for choice in objects(choices):
        if choice.get("error"):
            return _failure(choice, choice["error"], quirks)
    if not choices and (document.get("object") == "error" or _is_flat(document)):
        return _failure(document, None, quirks)
    return None


def _is_flat(document: JsonObject) -> bool:
    if "choices" in document or "usage" in document:
        return False
    return isinstance(document.get("message"), str) or "detail" in document or "error_code" in document


def _failure(document: JsonObject, error: Json, quirks: Quirks) -> Failure:
    found = said(b"", document)
    return Failure(_status(error if isinstance(error, dict) else document, found, quirks), found)


def _status(error: JsonObject | None, found: Said, quirks: Quirks) -> int:
    meaning = meaning_of(found, quirks.meanings)
    if meaning is not None and meaning.status:
        return meaning.status
    if error is not None:
        stated = code_number(error.get("status_code")) or code_number(error.get("code"))
        if stated is not None:
            return stated
    return {"invalid_request_error": 400, "rate_limit_error": 429, "insufficient_quota": 429}.get(found.type, 502)


def meaning_of(found: Said, meanings: Mapping[str, Meaning]) -> Meaning | None:
    """What the provider's table says about an error."""
    for word in (found.code, found.type):
        if word in meanings:
            return meanings[word]
    return next((meaning for word, meaning in meanings.items() if not word.isdigit() and word in found.message), None)


def rejection(failure: Failure, quirks: Quirks, headers: RawHeaders = ()) -> TollwayError:
    """The error for the client."""
    found, meaning = failure.said, meaning_of(failure.said, quirks.meanings)
    if failure.status == 407:
        return UpstreamUnavailable("The proxy in front of the provider wants credentials; check the provider's proxy.")
    kind = found.type if found.type in TYPES else ""
    code = found.code if found.code and not (found.code.isdigit() and len(found.code) == 3) else None
    status = failure.status
    if meaning is not None:
        kind, code, status = meaning.type or kind, meaning.code or code, meaning.status or status
    return rejected(status, found, headers, type=kind, code=code)


def is_envelope(document: Json) -> bool:
    """Is it OpenAI's error body, as its SDKs read it?"""
    error = obj(obj(document).get("error")) if isinstance(document, dict) else {}
    return isinstance(error.get("message"), str) and not isinstance(error.get("type"), dict)


def own_key_refused(error: TollwayError, status: int) -> TollwayError:
    """With the client's own credentials a refusal is the client's, not ours."""
    if not isinstance(error, UpstreamAuthFailed):
        return error
    kind, code = (
        ("permission_error", "permission_denied") if status == 403 else ("invalid_request_error", "invalid_api_key")
    )
    return UpstreamRejected(
        error.detail.partition(": ")[2][:MOST] or "The provider refused the credentials of this request.",
        status=403 if status == 403 else 401,
        type=kind,
        code=code,
    )


def broken_off(reason: str, choice: JsonObject, quirks: Quirks) -> TollwayError:
    """An answer whose finish reason is a failure."""
    detail = choice.get("error")
    found = said(b"", choice) if detail else Said(f"The provider broke off its answer: {reason}.", code=reason)
    status = 503 if reason == "insufficient_system_resource" else code_number(obj(detail).get("code")) or 502
    return rejection(Failure(status, found), quirks)
