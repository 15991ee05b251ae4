"""What a provider takes otherwise than OpenAI, as data, and how it is applied: renamed, dropped, clamped, filled in.

Dropped parameters are noted, unless they say what would have happened anyway.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, number, objects
from .fields import Fields

DEFAULTS: Mapping[str, Json] = {
    "n": 1,
    "temperature": 1,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logprobs": False,
    "top_logprobs": 0,
    "stream": False,
    "parallel_tool_calls": True,
    "store": False,
    "service_tier": "auto",
    "tool_choice": "auto",
    "logit_bias": {},
    "metadata": {},
    "modalities": ["text"],
    "verbosity": "medium",
}
"""OpenAI's defaults: leaving one of these out changes nothing."""

SILENT = frozenset(("stream_options",))
"""Asked of the gateway, which answers it itself."""

CAP: Mapping[str, str] = {"max_completion_tokens": "max_tokens"}
"""The older name of the cap, which most providers know alone."""

OPENAI_ONLY = frozenset(
    """audio metadata modalities moderation prediction prompt_cache_key prompt_cache_options prompt_cache_retention
    safety_identifier service_tier store verbosity web_search_options""".split()
)
"""Parameters that OpenAI alone knows; a provider that refuses unknown ones gets none of them."""


class Edit(Struct, frozen=True, kw_only=True):
    """A change that depends on more than one member. ``hints``: bytes without which a body surely needs none of it."""

    run: Callable[[Fields, Ask], None]
    hints: tuple[bytes, ...] = ()


class MessageEdit(Struct, frozen=True, kw_only=True):
    """A change of the messages: gives back the very list when nothing is due, else a new one of new objects."""

    run: Callable[[list[JsonObject], Ask], list[JsonObject]]
    hints: tuple[bytes, ...] = ()


class ParamMap(Struct, frozen=True, kw_only=True):
    """One provider's differences. ``only``: every name it takes, after renaming; ``None`` where it overlooks unknown ones.

    ``values``: other spellings of a value; ``clamp``: least and largest number; ``default``: sent when the client says nothing.
    """

    rename: Mapping[str, str] = {}
    drop: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    values: Mapping[str, Mapping[str, Json]] = {}
    clamp: Mapping[str, tuple[float, float]] = {}
    default: Mapping[str, Json] = {}
    edits: tuple[Edit, ...] = ()
    messages: tuple[MessageEdit, ...] = ()

    def apply(self, fields: Fields, ask: Ask) -> None:
        """Changes ``fields`` to what the provider takes; what is lost goes to ``ask.notes``."""
        for name in fields.names():
            if name in self.drop or (self.only is not None and self.rename.get(name, name) not in self.only):
                discard(fields, name, ask)
        for edit in self.edits:
            if _due(edit.hints, fields):
                edit.run(fields, ask)
        self._edit_messages(fields, ask)
        for name, spellings in self.values.items():
            value = fields.get(name)
            if isinstance(value, str) and value in spellings:
                fields.set(name, spellings[value])
        for name, (least, largest) in self.clamp.items():
            given = number(fields.get(name))
            if given is not None and not least <= given <= largest:
                fields.set(name, least if given < least else largest)
                ask.notes.rewrite(name)
        for name, other in self.rename.items():
            if name in fields:
                fields.rename(name, other)
        for name, value in self.default.items():
            if name not in fields:
                fields.set(name, value)

    def _edit_messages(self, fields: Fields, ask: Ask) -> None:
        due = [edit for edit in self.messages if _due(edit.hints, fields)]
        if not due:
            return
        given = before = objects(fields.get("messages"))
        for edit in due:
            given = edit.run(given, ask)
        if given is not before:
            fields.set("messages", [*given])


def discard(fields: Fields, name: str, ask: Ask) -> None:
    """Takes ``name`` out, with a note if it mattered."""
    if name not in fields:
        return
    value = fields.get(name)
    if value is not None and name not in SILENT and not (name in DEFAULTS and DEFAULTS[name] == value):
        ask.notes.drop(name)
    fields.remove(name)


def _due(hints: tuple[bytes, ...], fields: Fields) -> bool:
    text = fields.text
    if not hints or text is None:
        return True
    # A loop, not any(): a generator costs more than the searches.
    for hint in hints:
        if hint in text:
            return True
    return False


PLAIN = ParamMap()
