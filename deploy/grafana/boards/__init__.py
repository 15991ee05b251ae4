"""The four dashboards as Grafana's JSON: ``python -m deploy.grafana.boards`` writes the files above this folder.

They are what is imported; this is so that panels alike are drawn alike, and a test says when the two differ.
"""

import json
from pathlib import Path

from . import cache, cost, overview, reliability
from .form import board

FOLDER = Path(__file__).parents[1]
BOARDS = {
    "overview": (overview.__doc__, overview.OVERVIEW),
    "cost": (cost.__doc__, cost.COST),
    "reliability": (reliability.__doc__, reliability.RELIABILITY),
    "cache": (cache.__doc__, cache.CACHE),
}


def text(name: str) -> str:
    """The file's content."""
    about, rows = BOARDS[name]
    return json.dumps(board(name, about or "", rows), indent=2, ensure_ascii=False) + "\n"


def write() -> None:
    """All four."""
    for name in BOARDS:
        (FOLDER / f"{name}.json").write_text(text(name), encoding="utf-8")
