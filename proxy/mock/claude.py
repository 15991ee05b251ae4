"""What each Claude refuses: the facts of Anthropic's model pages as of November 2026, by prefix of the name.

Names that no row fits, such as `small`, take everything.
"""

from msgspec import Struct


class Claude(Struct, frozen=True, kw_only=True):
    """The limits of one family; `thinking` is any, manual, adaptive or always."""

    sampling: bool = True
    thinking: str = "any"
    prefill: bool = True
    forced_tools: bool = True
    inline_system: bool = True
    display: str = "summarized"
    context: int = 1_000_000
    longest: int = 128_000


_OLD = Claude(thinking="manual", inline_system=False, context=200_000, longest=64_000)
_MIDDLE = Claude(thinking="any", prefill=False, inline_system=False)
_NEW = Claude(sampling=False, thinking="adaptive", prefill=False, inline_system=False, display="omitted")
_INLINE = Claude(sampling=False, thinking="adaptive", prefill=False, display="omitted")
_ALWAYS = Claude(sampling=False, thinking="always", prefill=False, forced_tools=False, display="omitted")

FAMILIES: dict[str, Claude] = {
    "claude-haiku-4-5": _OLD,
    "claude-sonnet-4-5": _OLD,
    "claude-opus-4-5": _OLD,
    "claude-sonnet-4-6": _MIDDLE,
    "claude-opus-4-6": _MIDDLE,
    "claude-opus-4-7": _NEW,
    "claude-opus-4-8": _INLINE,
    "claude-sonnet-5-5": _ALWAYS,
    "claude-opus-5-5": _ALWAYS,
    "claude-haiku-5-5": _INLINE,
    "claude-sonnet-5": _INLINE,
    "claude-opus-5": _INLINE,
    "claude-fable-5": _ALWAYS,
    "claude-mythos-5": _ALWAYS,
}
_ANY = Claude()


def claude(model: str) -> Claude:
    """Return the limits of `model`, which may carry a region and a vendor before and a version after its name."""
    name = model[model.find("claude-") :] if "claude-" in model else model
    longest = max((prefix for prefix in FAMILIES if name.startswith(prefix)), key=len, default="")
    return FAMILIES.get(longest, _ANY)
