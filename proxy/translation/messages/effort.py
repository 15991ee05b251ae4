"""How hard the model is to think: Anthropic's ``thinking`` and ``output_config.effort`` as ``reasoning_effort``."""

from ...wire.values import JsonObject, count, text
from ..ask import Ask

_LADDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_BUDGETS = ((2048, "low"), (8192, "medium"))
"""Budgets in tokens below which an effort is meant."""


def reasoning_effort(thinking: JsonObject, config: JsonObject, ask: Ask) -> str:
    """The effort in chat's words; empty: leave it to the model."""
    kind, asked = thinking.get("type"), text(config.get("effort"))
    if kind == "disabled":
        return _disabled(ask)
    if kind == "enabled":
        budget = count(thinking.get("budget_tokens")) or 0
        if not asked:
            # A budget in tokens becomes one of a few words.
            ask.notes.rewrite("thinking.budget_tokens")
            asked = next((word for least, word in _BUDGETS if budget < least), "high")
    elif (
        kind in ("adaptive", "between_tools")
        and not asked
        and ask.behaviour.thinking in ("manual", "adaptive", "always")
    ):
        # Adaptive thinking without an effort means ``high``; other models know their own default better.
        asked = "high"
    return _fitting(asked, ask)


def _fitting(asked: str, ask: Ask) -> str:
    """``asked``, or the nearest effort below it that the model takes."""
    taken = ask.behaviour.efforts
    if not asked or asked in taken:
        return asked
    if asked not in _LADDER:
        ask.notes.drop("output_config.effort")
        return ""
    if not taken:
        # What it becomes is the dialect's to say, but words beyond chat's usual three are few hosts'.
        if asked not in ("xhigh", "max") or ask.behaviour.thinking != "none":
            return asked
        ask.notes.rewrite("output_config.effort")
        return "high"
    ask.notes.rewrite("output_config.effort")
    place = _LADDER.index(asked)
    lower = [effort for effort in taken if effort in _LADDER[1:place]]
    return lower[-1] if lower else next((effort for effort in taken if effort in _LADDER[place:]), "")


def _disabled(ask: Ask) -> str:
    behaviour = ask.behaviour
    for word in ("none", "minimal"):
        if word in behaviour.efforts:
            return word
    if behaviour.thinking != "none" and behaviour.can_disable_thinking:
        return "none"
    if behaviour.efforts or behaviour.thinking != "none":
        ask.notes.drop("thinking")
    return ""
