"""How long answers have been of late, for each public model: what a reservation of output tokens goes by."""

from collections import OrderedDict, deque

ANSWERS = 128
"""Answers remembered for a route."""

ROUTES = 4096
"""Routes remembered; the one that has not answered for longest makes room."""

RHYTHM = 16
"""Notes after which the figure is worked out anew, when it is next asked for."""

_SHARE = 95


class _Recent:
    """The last answers of one route, and the figure they last gave."""

    __slots__ = ("answers", "figure", "fresh")

    def __init__(self) -> None:
        self.answers: deque[int] = deque(maxlen=ANSWERS)
        self.fresh = RHYTHM
        self.figure = 0

    def work_out(self) -> int:
        """The nearest rank: at least 95 in 100 of the answers were not longer."""
        ordered = sorted(self.answers)
        self.figure = ordered[-(-_SHARE * len(ordered) // 100) - 1]
        self.fresh = 0
        return self.figure


class OutputForecast:
    """The 95th percentile of output tokens by route. One event loop; memory is bounded by ``ROUTES`` times ``ANSWERS`` numbers."""

    __slots__ = ("_routes",)

    def __init__(self) -> None:
        self._routes: OrderedDict[str, _Recent] = OrderedDict()

    def note(self, route: str, tokens: int) -> None:
        """One answer of ``route`` (a public model label) had so many output tokens."""
        routes = self._routes
        recent = routes.get(route)
        if recent is None:
            if len(routes) >= ROUTES:
                routes.popitem(last=False)
            recent = routes[route] = _Recent()
        else:
            routes.move_to_end(route)
        recent.answers.append(tokens if tokens > 0 else 0)
        recent.fresh += 1

    def p95(self, route: str) -> int | None:
        """Tokens that 95 of 100 recent answers did not pass, at most 16 answers old; ``None`` where none is known."""
        recent = self._routes.get(route)
        if recent is None:
            return None
        return recent.figure if recent.fresh < RHYTHM else recent.work_out()
