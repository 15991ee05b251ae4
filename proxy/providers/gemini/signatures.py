"""Thought signatures: opaque base64 that Gemini 3 wants back inside the function call it came with.

Clients get them twice: as ``extra_content.google.thought_signature``, and, for clients that forget unknown members, as a suffix of
the tool call's id, where ids stay within ``LONGEST_ID`` characters of ``[A-Za-z0-9_-]``. A longer one travels in ``extra_content`` alone.
"""

import re

from ...wire.values import JsonObject, obj, text

SEPARATOR = "__sig__"
LONGEST_ID = 512
UNKNOWN = "skip_thought_signature_validator"
"""Google's documented stand-in for a signature that was lost, or never was because another model made the call."""

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_FORTH = str.maketrans("+/", "-_")
_BACK = str.maketrans("-_", "+/")


def extra_content(signature: str) -> JsonObject:
    """The extension member that carries ``signature``, named as Google's own OpenAI endpoint names it."""
    return {"google": {"thought_signature": signature}}


def signature_in(carrier: JsonObject) -> str:
    """The signature in the ``extra_content`` of a message, an image or a tool call; empty when there is none."""
    extra = carrier.get("extra_content")
    return text(obj(obj(extra).get("google")).get("thought_signature")) if extra else ""


def signed_id(ident: str, signature: str) -> str:
    """``ident`` with ``signature`` as its suffix, if that can be undone and is not too long."""
    if (
        len(ident) + len(SEPARATOR) + len(signature) > LONGEST_ID
        or SEPARATOR in ident
        or _BASE64.fullmatch(signature) is None
    ):
        return ident
    return f"{ident}{SEPARATOR}{signature.translate(_FORTH).rstrip('=')}"


def parted_id(ident: str) -> tuple[str, str]:
    """The id without its suffix, and the signature in it; empty when there is none."""
    plain, mark, suffix = ident.partition(SEPARATOR)
    if not mark:
        return ident, ""
    signature = suffix.translate(_BACK)
    signature += "=" * (-len(signature) % 4)
    return (plain, signature) if _BASE64.fullmatch(signature) is not None else (ident, "")
