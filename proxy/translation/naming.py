"""Tool names as chat takes them: OpenAI's rule is narrower than what Anthropic's clients and MCP servers use."""

import re

from ..catalogue.behaviour import canonical
from .ask import Ask

INVALID = re.compile(r"[^a-zA-Z0-9_-]")
LIMIT = 64
"""Characters of a function's name, by OpenAI's API description."""


def chat_name(name: str, ask: Ask) -> str:
    """``name``, or a spelling of it that chat admits; ``ask.names.back`` gives the name back.

    Claude keeps the names that its own API admits: where it is served, the dialect knows the host's rule.
    """
    if len(name) <= LIMIT and INVALID.search(name) is None:
        return name
    return name if canonical(ask.model).startswith("claude") else ask.names.forth(name, invalid=INVALID, limit=LIMIT)
