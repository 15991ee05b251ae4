"""Users by the clock, instead of a fixed number of them: RAMP says how, in the words of ``ramp_plan``.

    RAMP="10s:5,20s:20,10s:0" locust -f loadtest/locust/locustfile.py,loadtest/locust/ramp.py --headless --csv ramp

It ends with the last step, so it needs no --run-time; --users and --spawn-rate have no meaning beside it.
"""

import os
import sys

from locust import LoadTestShape
from ramp_plan import steps, users_at

USUAL = "20s:10,20s:10,20s:50,20s:50,10s:0"


def _plan() -> list[tuple[int, int]]:
    try:
        return steps(os.environ.get("RAMP") or USUAL)
    except ValueError as wrong:
        sys.exit(str(wrong))


class Ramp(LoadTestShape):
    """Asked by Locust each second."""

    plan = _plan()

    def tick(self) -> tuple[int, float] | None:
        """(users, users a second to get there); None ends the run."""
        users = users_at(self.plan, self.get_run_time())
        return None if users is None else (users, max(1, users))
