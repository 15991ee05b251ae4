"""docs/failover.md prints the tables that the code follows."""

import re
from pathlib import Path

from proxy.failover.backoff import LEAST
from proxy.failover.stopping import NOTHING_CREATED, STOPS
from proxy.failover.waits import GARBAGE, LONGEST
from proxy.policy.faults import ACTIONS, Action
from proxy.policy.routes import Retries

PAGE = (Path(__file__).parents[4] / "docs" / "failover.md").read_text(encoding="utf-8")

RESTS = {"": "nothing", "key": "the key rests", "key_model": "the key rests for this model"}


def following(action: Action) -> str:
    steps = [
        ("another target", action.elsewhere),
        ("another key", action.elsewhere and bool(action.cools)),
        ("fallbacks", action.elsewhere),
        (f"`fallbacks_for.{action.named}`", bool(action.named)),
        ("the same again", action.again),
    ]
    return ", ".join(step for step, due in steps if due) or "nothing"


def rows(columns: int) -> list[tuple[str, ...]]:
    lines = [line for line in PAGE.splitlines() if line.startswith("| `")]
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    return [row for row in cells if len(row) == columns]


def test_the_page_prints_the_faults() -> None:
    expected = [
        (
            f"`{kind}`",
            action.when,
            following(action),
            "counts" if action.counts else RESTS[action.cools],
            "yes" if action.billed else "no",
        )
        for kind, action in ACTIONS.items()
    ]
    assert rows(5) == expected


def test_the_page_prints_the_reasons() -> None:
    assert rows(2) == [(f"`{reason}`", meaning) for reason, meaning in STOPS.items()]


def test_the_page_names_what_may_be_sent_twice() -> None:
    listed = re.search(r"began to work: (.*?)\. A body", PAGE, re.DOTALL)
    assert listed is not None
    assert re.findall(r"`(\w+)`", listed[1]) == [kind for kind in ACTIONS if kind in NOTHING_CREATED]


def test_the_page_has_the_figures_of_the_code() -> None:
    usual = Retries()
    assert f"`ratio` times their number ({usual.ratio:.0%})".replace("%", " %") in PAGE
    assert f"`per_second`\ntimes ten ({usual.per_second * 10:.0f})" in PAGE
    assert f"within 0 and {LONGEST:.0f} s" in PAGE
    assert f"cannot be read is {GARBAGE:.0f} s" in PAGE
    assert f"less than {LEAST * 1000:.0f} ms left" in PAGE
