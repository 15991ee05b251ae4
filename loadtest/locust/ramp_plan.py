"""A ramp in words: "10s:5,20s:20,10s:0" goes evenly from no users to 5 in ten seconds, on to 20 in twenty more, and back in ten."""

import re

LONGEST_S = 4 * 3600
MOST_USERS = 20_000
_STEP = re.compile(r"(\d+)s:(\d+)")


def steps(text: str) -> list[tuple[int, int]]:
    """(seconds, users at their end) of each step."""
    found = []
    for part in text.split(","):
        step = _STEP.fullmatch(part.strip())
        if step is None:
            raise ValueError(f'RAMP has {part!r}: each step is SECONDSs:USERS. Example: RAMP="10s:5,20s:20,10s:0"')
        found.append((int(step[1]), int(step[2])))
    if not 0 < sum(seconds for seconds, _ in found) <= LONGEST_S:
        raise ValueError(f"RAMP must take between one second and {LONGEST_S // 3600} hours.")
    if max(users for _, users in found) > MOST_USERS:
        raise ValueError(f"RAMP must not have more than {MOST_USERS} users.")
    return found


def users_at(plan: list[tuple[int, int]], seconds: float) -> int | None:
    """How many users there are ``seconds`` after the start; None when it is over."""
    before = 0
    for took, users in plan:
        if seconds < took:
            return round(before + (users - before) * seconds / took)
        seconds -= took
        before = users
    return None
