"""How much a model shall think, in its maker's words (``additionalModelRequestFields``)."""

from ...wire.values import Json, JsonObject, count, obj, text
from .draft import Draft

BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 65_536}
"""Thinking tokens for an effort, for models that take a budget. Source: what gateways and SDKs commonly send."""

_LEAST = 1024
_LADDER = ("minimal", "low", "medium", "high", "xhigh", "max")


def reasoning(chat: JsonObject, cap: int | None, draft: Draft, *, unthought: bool) -> int | None:
    """Sets the fields; ``cap`` is the answer's limit, returned as it must be sent. ``unthought``: see ``Conversation``."""
    given = obj(chat.get("thinking"))
    asked, effort = _asked(chat)
    budget = count(given.get("budget_tokens")) or count(obj(chat.get("reasoning")).get("max_tokens"))
    if not asked and not given and budget is None:
        return cap
    field = asked or ("thinking" if given else "reasoning")
    if draft.family.thinking == "claude" and draft.ask.behaviour.thinking != "none":
        return _claude(field, effort, given, budget, cap, draft, unthought=unthought)
    if draft.family.thinking == "nova":
        return _nova(field, effort, cap, draft)
    levels = _LEVELS.get(draft.family.thinking)
    if not effort or levels is None:
        if effort != "none":
            draft.notes.drop(field)
        return cap
    level = _nearest(effort, levels)
    if level != effort:
        draft.notes.rewrite(field)
    draft.additional.update(
        {"reasoning_effort": level} if draft.family.thinking == "reasoning_effort" else {"reasoning": {"effort": level}}
    )
    return cap


_LEVELS: dict[str, tuple[str, ...]] = {
    "reasoning_effort": ("low", "medium", "high"),
    "reasoning.effort": ("none", "minimal", "low", "medium", "high", "xhigh"),
}


def _asked(chat: JsonObject) -> tuple[str, str]:
    """The field that names an effort, and the effort."""
    found = text(chat.get("reasoning_effort"))
    if found:
        return "reasoning_effort", found
    nested = obj(chat.get("reasoning"))
    found = text(nested.get("effort"))
    if not found and nested.get("enabled") is not None:
        found = "medium" if nested["enabled"] is True else "none"
    return ("reasoning", found) if found else ("", "")


def _nearest(effort: str, levels: tuple[str, ...]) -> str:
    """``effort`` if it is taken, else the next higher one that is, else the highest. ``none`` becomes the lowest."""
    if effort in levels:
        return effort
    if effort not in _LADDER:
        return levels[0] if effort == "none" else "medium" if "medium" in levels else levels[-1]
    at = _LADDER.index(effort)
    return next((level for level in _LADDER[at:] if level in levels), levels[-1])


def _nova(field: str, effort: str, cap: int | None, draft: Draft) -> int | None:
    if effort == "none":
        draft.additional["reasoningConfig"] = {"type": "disabled"}
        return cap
    level = _nearest(effort or "medium", ("low", "medium", "high"))
    if level != effort:
        draft.notes.rewrite(field)
    draft.additional["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": level}
    if level == "high" and cap is not None:
        draft.notes.drop("max_tokens")
        return None
    return cap


def unlimited(draft: Draft) -> bool:
    """Nova's highest effort forbids sampling and a limit."""
    return obj(draft.additional.get("reasoningConfig")).get("maxReasoningEffort") == "high"


def _claude(
    field: str, effort: str, given: JsonObject, budget: int | None, cap: int | None, draft: Draft, *, unthought: bool
) -> int | None:
    behaviour = draft.ask.behaviour
    if effort == "none" or given.get("type") == "disabled":
        if behaviour.thinking == "adaptive" and behaviour.can_disable_thinking:
            draft.additional["thinking"] = {"type": "disabled"}
        elif behaviour.thinking == "always":
            draft.notes.rewrite(field)
        return cap
    if behaviour.thinking == "manual" or (budget is not None and behaviour.thinking_budget[1]):
        return _manual(field, effort, budget, cap, draft, unthought=unthought)
    if budget is not None:
        draft.notes.rewrite(field)
    display: Json = given.get("display", "summarized")
    draft.additional["thinking"] = {"type": "adaptive", "display": display}
    if effort:
        _effort(field, effort, draft)
    return cap


def _effort(field: str, effort: str, draft: Draft) -> None:
    levels = draft.ask.behaviour.efforts
    if not levels:
        return
    level = _nearest(effort, levels)
    if level != effort:
        draft.notes.rewrite(field)
    draft.additional["output_config"] = {"effort": level}


def _manual(
    field: str, effort: str, budget: int | None, cap: int | None, draft: Draft, *, unthought: bool
) -> int | None:
    """A budget that fits below the cap; none where it cannot, or where an earlier call lacks the thinking that led to it."""
    least, largest = draft.ask.behaviour.thinking_budget
    least = max(least, _LEAST)
    wanted = budget or BUDGETS.get(effort, BUDGETS["medium"])
    tokens = min(max(wanted, least), largest or wanted)
    if cap is not None and tokens >= cap:
        # Half is left for the answer.
        tokens = max(least, cap // 2)
    if (cap is not None and tokens >= cap) or unthought:
        draft.notes.drop(field)
        return cap
    if tokens != wanted:
        draft.notes.rewrite(field)
    draft.thinks = True
    draft.additional["thinking"] = {"type": "enabled", "budget_tokens": tokens}
    if effort:
        _effort(field, effort, draft)
    return cap
