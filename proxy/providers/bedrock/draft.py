"""What the parts of one request know in common while it is being translated."""

import re
from hashlib import blake2b

from ...errors import InvalidRequest
from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, dumps, obj, objects, text
from .families import Family, family_of

NAME = re.compile(r"[^a-zA-Z0-9_-]")
"""What a tool's name must not hold."""
NAME_LIMIT = 64

_IDENT = re.compile(r"[^a-zA-Z0-9_.:-]")
_IDENT_LIMIT = 64
_SHORT = re.compile(r"[a-zA-Z0-9]{9}")

PLACEHOLDER = "."
"""Text where Converse demands some and the client wrote none: blank text is refused."""


class Draft:
    """Mutable, of one ``encode``. ``instructions`` are sentences of ours for the system prompt."""

    __slots__ = ("additional", "ask", "documents", "family", "instructions", "notes", "thinks", "tools")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.notes = ask.notes
        self.family: Family = family_of(ask.model)
        self.instructions: list[str] = []
        self.additional: JsonObject = {}
        """``additionalModelRequestFields``."""
        self.documents: set[str] = set()
        """Names given to documents; each must be another."""
        self.thinks = False
        """Does the model reason by a budget that we asked for? Claude then refuses sampling and forced tools."""
        self.tools = self.family.tools and ask.behaviour.tools

    def name(self, public: str) -> str:
        """A tool's name as Converse admits it."""
        return self.ask.names.forth(public, invalid=NAME, limit=NAME_LIMIT)

    def ident(self, given: str) -> str:
        """The id of a tool call as the model's maker admits it, the same for the same ``given``."""
        if self.family.short_ids:
            if _SHORT.fullmatch(given):
                return given
            return blake2b(given.encode("utf-8", "replace"), digest_size=5).hexdigest()[:9]
        if given and len(given) <= _IDENT_LIMIT and _IDENT.search(given) is None:
            return given
        mark = blake2b(given.encode("utf-8", "replace"), digest_size=8).hexdigest()
        return f"{_IDENT.sub('_', given)[: _IDENT_LIMIT - 17]}_{mark}"

    def cache_point(self, value: Json, *, tools: bool = False) -> list[JsonObject]:
        """The block that follows what Anthropic's ``cache_control`` marks; nothing where the model does not cache."""
        if not isinstance(value, dict):
            return []
        if not self.family.caching or (tools and not self.family.caching_tools):
            self.notes.drop("cache_control")
            return []
        point: JsonObject = {"type": "default"}
        lifetime = value.get("ttl")
        if lifetime in ("5m", "1h"):
            if self.family.caching_ttl:
                point["ttl"] = lifetime
            elif lifetime == "1h":
                self.notes.rewrite("cache_control.ttl")
        return [{"cachePoint": point}]


def written(value: Json) -> bytes:
    """JSON of a request. Raises ``InvalidRequest`` if it is nested deeper than any JSON library writes."""
    try:
        return dumps(value)
    except (TypeError, RecursionError) as error:
        raise InvalidRequest("The request is nested too deeply; flatten its schemas or arguments.") from error


def unsupported(message: str, param: str = "messages") -> InvalidRequest:
    """The refusal of a content part that Converse has no word for."""
    return InvalidRequest(message, param=param, code="unsupported_content_part")


def declared(chat: JsonObject) -> list[JsonObject]:
    """The client's tools, the old ``functions`` among them."""
    old: list[JsonObject] = [{"type": "function", "function": found} for found in objects(chat.get("functions"))]
    return objects(chat.get("tools")) + old


def reserve(chat: JsonObject, draft: Draft) -> None:
    """Takes in every tool name of the request before any has to change."""
    names = [text(obj(tool.get("function")).get("name")) for tool in declared(chat)]
    for message in objects(chat.get("messages")):
        calls = message.get("tool_calls")
        if calls:
            names += [text(obj(call.get("function")).get("name")) for call in objects(calls)]
    if names:
        draft.ask.names.reserve(names, invalid=NAME, limit=NAME_LIMIT)
