"""What a family of models accepts, whoever serves it.

``behaviours.json`` is the table: one family a row, ``models`` a pattern over canonical names, the first row that matches holds.
"""

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal

import msgspec
from msgspec import Struct

Thinking = Literal["none", "manual", "adaptive", "always", "budget", "level"]
"""How reasoning is asked for. Claude: ``manual`` budgets, ``adaptive`` efforts, ``always`` on. Gemini: ``budget``, ``level``."""

LONGEST_NAME = 512
"""Characters; a longer name is nobody's model (an ARN of Bedrock has up to 2048, but never with a family's name so late)."""


class Behaviour(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The defaults describe a model that takes everything and does not reason."""

    adapt: bool = False
    """Are the flags those of OpenAI's own chat API, so that a request which speaks it already is adapted to them?"""
    sampling: Literal["yes", "no", "effort_none", "effort_none_explicit"] = "yes"
    """Are temperature and top_p taken? ``effort_none``: only without reasoning; ``_explicit``: only when that is said."""
    penalties: bool = True
    logprobs: bool = True
    logit_bias: bool = True
    stop: bool = True
    several: bool = True
    """``n`` > 1."""
    tools: bool = True
    tools_while_reasoning: bool = True
    parallel_tool_calls: bool = True
    """Is the parameter of that name taken?"""
    json_mode: bool = True
    json_schema: bool = True
    images: bool = True
    prediction: bool = True
    verbosity: bool = True
    streaming: bool = True
    system_role: Literal["system", "developer", "none"] = "system"
    """What instructions travel as; ``none``: as the user's own words."""
    completion_cap: bool = False
    """Is ``max_completion_tokens`` the only spelling of the cap?"""
    thinking: Thinking = "none"
    efforts: tuple[str, ...] = ()
    """Reasoning efforts that are taken, lowest first; empty: the parameter is refused."""
    default_effort: str | None = None
    thinking_budget: tuple[int, int] = (0, 0)
    """Least and largest budget in tokens (``manual`` and ``budget``)."""
    can_disable_thinking: bool = True
    prefill: bool = True
    """May the last message be the assistant's?"""
    forced_tools: bool = True
    """Claude: may ``tool_choice`` force a call?"""
    inline_system: bool = False
    """Claude: may system messages stand between the others?"""
    max_output: int | None = None
    """Tokens, where the family is known better than the model."""


DEFAULT = Behaviour()


class _Row(Struct, frozen=True, forbid_unknown_fields=True):
    """One family. ``models``: an expression over whole canonical names; ``source``: where the facts are from."""

    models: str
    source: str
    behaviour: Behaviour


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    rows: tuple[_Row, ...]


@cache
def _rows() -> tuple[tuple[re.Pattern[str], Behaviour], ...]:
    table = msgspec.json.decode(files(__package__).joinpath("behaviours.json").read_bytes(), type=_Table)
    return tuple((re.compile(row.models), row.behaviour) for row in table.rows)


@lru_cache(maxsize=4096)
def behaviour_of(model: str) -> Behaviour:
    """The behaviour of an upstream model name, in any provider's spelling (``us.anthropic.claude-…``, ``models/gemini-…``)."""
    if len(model) > LONGEST_NAME:
        return DEFAULT
    name = canonical(model)
    return next((behaviour for pattern, behaviour in _rows() if pattern.fullmatch(name)), DEFAULT)


_HOST = re.compile(r"(?:[a-z][a-z-]*\.)+|databricks-")
"""Bedrock's regions and vendors (``us.anthropic.``), Databricks' endpoints."""

_SUFFIX = re.compile(r"[-@](?:20\d{6}|20\d\d-\d\d-\d\d|latest|default)|-v\d+")
"""Snapshots, aliases and Bedrock's versions."""

_CLAUDE_NUMBER_FIRST = re.compile(r"claude-(\d)(?:-(\d))?-(opus|sonnet|haiku)")


def canonical(model: str) -> str:
    """A model's name without what its host adds: path, region, vendor, snapshot date, version, variant; in lower case.

    ``us.anthropic.claude-sonnet-4-5-20250929-v1:0``, ``anthropic/claude-sonnet-4.5`` and ``claude-sonnet-4-5@20250929``
    are all ``claude-sonnet-4-5``.
    """
    name = model.strip().lower().rpartition("/")[2].removeprefix("ft:")
    name = name.partition(":")[0]
    host = _HOST.match(name)
    if host is not None:
        name = name[host.end() :]
    while (suffix := _last(name)) is not None:
        name = name[: suffix.start()]
    if name.startswith("claude"):
        name = name.replace(".", "-").removesuffix("-thinking").removesuffix("-fast")
        first = _CLAUDE_NUMBER_FIRST.match(name)
        if first is not None and first[1] >= "4":
            name = "-".join(part for part in ("claude", first[3], first[1], first[2]) if part)
    return name


def _last(name: str) -> re.Match[str] | None:
    """The suffix that ends ``name``, if it ends in one."""
    return next((found for found in _SUFFIX.finditer(name) if found.end() == len(name) and found.start()), None)
