"""How much a model thinks: OpenAI's efforts (and token budgets in others' spelling) as ``thinkingConfig``.

Gemini 2.5 takes budgets in tokens, 3 and later levels; which one a model takes is in its ``Behaviour``.
"""

from ...catalogue.behaviour import Behaviour
from ...translation.notes import Notes
from ...wire.values import JsonObject, count, obj, text

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""OpenAI's, ascending."""

BUDGETS = {"low": 1024, "medium": 8192, "high": 24576}
"""Tokens, as Google's own OpenAI endpoint translates them."""


def thinking_config(chat: JsonObject, behaviour: Behaviour, notes: Notes) -> JsonObject | None:
    """``thinkingConfig`` for what the request says; ``None`` leaves the model its default.

    Read, in this order: ``extra_body.google.thinking_config`` (as it is), ``thinking`` (Anthropic's), ``reasoning`` (OpenRouter's),
    ``reasoning_effort``.
    """
    for body in (chat.get("extra_body"), chat):
        own = obj(obj(obj(body).get("google")).get("thinking_config"))
        if own:
            return own
    thinking, reasoning = obj(chat.get("thinking")), obj(chat.get("reasoning"))
    if thinking:
        found = _of_thinking(thinking, chat, behaviour, notes)
    elif reasoning:
        found = _of_reasoning(reasoning, chat, behaviour, notes)
    else:
        effort = text(chat.get("reasoning_effort"))
        found = _of_effort(effort, "reasoning_effort", behaviour, notes) if effort else None
    return found


def _of_thinking(thinking: JsonObject, chat: JsonObject, behaviour: Behaviour, notes: Notes) -> JsonObject | None:
    if thinking.get("type") == "disabled":
        return _of_effort("none", "thinking", behaviour, notes)
    budget = count(thinking.get("budget_tokens"))
    if budget is not None:
        return _of_budget(budget, "thinking.budget_tokens", behaviour, notes)
    effort = text(chat.get("reasoning_effort"))
    if effort:
        return _of_effort(effort, "reasoning_effort", behaviour, notes)
    return _unlimited("thinking", behaviour, notes)


def _of_reasoning(reasoning: JsonObject, chat: JsonObject, behaviour: Behaviour, notes: Notes) -> JsonObject | None:
    budget = count(reasoning.get("max_tokens"))
    effort = text(reasoning.get("effort")) or text(chat.get("reasoning_effort"))
    if reasoning.get("enabled") is False:
        found = _of_effort("none", "reasoning", behaviour, notes)
    elif budget is not None:
        found = _of_budget(budget, "reasoning.max_tokens", behaviour, notes)
    elif effort:
        found = _of_effort(effort, "reasoning.effort", behaviour, notes)
    else:
        found = _unlimited("reasoning", behaviour, notes)
    if found is not None and reasoning.get("exclude") is True:
        found.pop("includeThoughts", None)
    return found


def _unlimited(field: str, behaviour: Behaviour, notes: Notes) -> JsonObject | None:
    """Thinking was asked for without an amount: the model chooses, and shows its thoughts."""
    if behaviour.thinking not in ("budget", "level"):
        notes.drop(field)
        return None
    return (
        {"thinkingBudget": -1, "includeThoughts": True} if behaviour.thinking == "budget" else {"includeThoughts": True}
    )


def _of_effort(effort: str, field: str, behaviour: Behaviour, notes: Notes) -> JsonObject | None:
    if behaviour.thinking == "budget":
        return _budget_of_effort(effort, field, behaviour, notes)
    if behaviour.thinking == "level":
        return _level_of_effort(effort, field, behaviour, notes)
    if effort != "none":
        notes.drop(field)
    return None


def _budget_of_effort(effort: str, field: str, behaviour: Behaviour, notes: Notes) -> JsonObject | None:
    least, most = behaviour.thinking_budget
    if effort == "none":
        if behaviour.can_disable_thinking:
            return {"thinkingBudget": 0}
        notes.rewrite(field)
        return {"thinkingBudget": least}
    if effort not in EFFORTS:
        notes.drop(field)
        return None
    if effort in ("xhigh", "max"):
        notes.rewrite(field)
    budget = max(least, 1) if effort == "minimal" else BUDGETS.get(effort, most)
    return {"thinkingBudget": min(max(budget, least), most or budget), "includeThoughts": True}


def _level_of_effort(effort: str, field: str, behaviour: Behaviour, notes: Notes) -> JsonObject | None:
    if effort not in EFFORTS:
        notes.drop(field)
        return None
    levels = [level for level in behaviour.efforts if level in EFFORTS and level != "none"] or ["low", "high"]
    if effort in levels:
        return {"thinkingLevel": effort, "includeThoughts": True}
    notes.rewrite(field)
    rank = EFFORTS.index(effort)
    below = [level for level in levels if EFFORTS.index(level) < rank]
    if effort == "none" or not below:
        least = min(levels, key=EFFORTS.index)
        return {"thinkingLevel": least} if effort == "none" else {"thinkingLevel": least, "includeThoughts": True}
    return {"thinkingLevel": max(below, key=EFFORTS.index), "includeThoughts": True}


def _of_budget(budget: int, field: str, behaviour: Behaviour, notes: Notes) -> JsonObject | None:
    """A budget in tokens: clamped to the model's range, or the level nearest to it."""
    if behaviour.thinking == "budget":
        least, most = behaviour.thinking_budget
        allowed = min(max(budget, least), most or budget)
        if budget == 0 and behaviour.can_disable_thinking:
            return {"thinkingBudget": 0}
        if allowed != budget:
            notes.rewrite(field)
        return {"thinkingBudget": allowed, "includeThoughts": True}
    if behaviour.thinking != "level":
        notes.drop(field)
        return None
    notes.rewrite(field)
    effort = next((effort for effort, tokens in BUDGETS.items() if budget <= tokens), "high")
    return _level_of_effort(effort, field, behaviour, notes)
