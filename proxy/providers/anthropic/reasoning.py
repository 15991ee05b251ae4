"""How much the model is to think: OpenAI's efforts as Claude's budgets and efforts, by generation of model."""

from msgspec import Struct

from ...translation.ask import Ask
from ...wire.values import JsonObject, count, obj, text
from .turns import Turn

BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 24_576, "max": 32_768}
"""Tokens of thinking for an effort, where models take a budget."""

LEAST = 1024
"""The smallest budget."""

_ORDER = ("minimal", "low", "medium", "high", "xhigh", "max")


class Plan(Struct, kw_only=True):
    """What a request says about thinking. ``budget``: tokens of manual thinking, 0 without it."""

    thinking: JsonObject | None = None
    effort: str = ""
    budget: int = 0

    @property
    def on(self) -> bool:
        """Was thinking turned on? Then sampling is fixed."""
        return self.thinking is not None and self.thinking["type"] != "disabled"


class _Wish(Struct, kw_only=True):
    field: str
    effort: str = ""
    budget: int = 0
    hidden: bool = False


def plan(chat: JsonObject, ask: Ask, *, turns: list[Turn], cap: int | None) -> Plan:
    """``cap``: the limit of output tokens, the client's own or the model's; thinking counts towards it."""
    wish = _wish(chat)
    if wish is None:
        return Plan()
    kind = ask.behaviour.thinking
    if kind == "manual" or (kind == "adaptive" and wish.budget and ask.behaviour.thinking_budget[1]):
        return _manual(wish, ask, turns=turns, cap=cap)
    if kind in ("adaptive", "always"):
        return _adaptive(wish, ask)
    if wish.effort != "none":
        ask.notes.drop(wish.field)
    return Plan()


def _wish(chat: JsonObject) -> _Wish | None:
    """From ``reasoning_effort``, OpenRouter's ``reasoning`` or Anthropic's ``thinking``; ``None``: nothing was said."""
    effort = chat.get("reasoning_effort")
    if isinstance(effort, str) and effort:
        return _Wish(field="reasoning_effort", effort=effort.lower(), hidden=_hidden(chat))
    told = chat.get("thinking")
    if isinstance(told, dict):
        if told.get("type") == "disabled":
            return _Wish(field="thinking", effort="none")
        return _Wish(
            field="thinking", budget=count(told.get("budget_tokens")) or 0, hidden=told.get("display") == "omitted"
        )
    reasoning = chat.get("reasoning")
    if not isinstance(reasoning, dict):
        return None
    hidden = _hidden(chat)
    if reasoning.get("enabled") is False:
        return _Wish(field="reasoning", effort="none")
    budget = count(reasoning.get("max_tokens")) or 0
    effort = text(reasoning.get("effort")).lower()
    if not effort and not budget and reasoning.get("enabled") is not True:
        return None
    return _Wish(field="reasoning", effort=effort, budget=budget, hidden=hidden)


def _hidden(chat: JsonObject) -> bool:
    return obj(chat.get("reasoning")).get("exclude") is True


def _manual(wish: _Wish, ask: Ask, *, turns: list[Turn], cap: int | None) -> Plan:
    if wish.effort == "none":
        return Plan()
    least, most = ask.behaviour.thinking_budget
    wanted = wish.budget or BUDGETS.get(wish.effort, BUDGETS["medium"])
    budget = max(wanted, LEAST, least)
    if most:
        budget = min(budget, most)
    if cap is not None and budget >= cap:
        budget = max(LEAST, least, cap // 2)
    if (cap is not None and budget >= cap) or _unsigned(turns):
        ask.notes.drop(wish.field)
        return Plan()
    if budget != wanted or (not wish.budget and wish.effort and wish.effort not in BUDGETS):
        ask.notes.rewrite(wish.field)
    found = Plan(thinking={"type": "enabled", "budget_tokens": budget}, budget=budget)
    if ask.behaviour.efforts:
        found.effort = nearest(wish.effort, ask.behaviour.efforts)
    return found


def _unsigned(turns: list[Turn]) -> bool:
    """Does the last answer call tools without the thinking that led to it? Manual thinking is refused after that."""
    last = next((turn for turn in reversed(turns) if turn.role == "assistant"), None)
    if last is None:
        return False
    blocks = last.content
    called = any(block.get("type") == "tool_use" for block in blocks)
    return called and blocks[0].get("type") not in ("thinking", "redacted_thinking")


def _adaptive(wish: _Wish, ask: Ask) -> Plan:
    behaviour = ask.behaviour
    if wish.effort == "none":
        if behaviour.thinking == "always" or not behaviour.can_disable_thinking:
            ask.notes.drop(wish.field)
            return Plan()
        return Plan(thinking={"type": "disabled"})
    found = Plan(thinking={"type": "adaptive", "display": "omitted" if wish.hidden else "summarized"})
    effort = wish.effort
    if not effort and wish.budget:
        effort = "low" if wish.budget < 2048 else "medium" if wish.budget < 8192 else "high"
        ask.notes.rewrite(wish.field)
    if not effort:
        return found
    found.effort = nearest(effort, behaviour.efforts)
    if found.effort != effort:
        ask.notes.rewrite(wish.field)
    return found


def nearest(effort: str, known: tuple[str, ...]) -> str:
    """The known effort that stands for ``effort``: itself, ``max`` for an ``xhigh`` that is missing, else the next lower or lowest."""
    if not effort or effort in known:
        return effort
    if effort not in _ORDER:
        return "medium" if "medium" in known else ""
    if effort == "xhigh" and "max" in known:
        return "max"
    rank = _ORDER.index(effort)
    below = [name for name in _ORDER[:rank] if name in known]
    above = [name for name in _ORDER[rank:] if name in known]
    return below[-1] if below else above[0] if above else ""
