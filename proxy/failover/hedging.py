"""How much hedging a route may do: what losers cost stays a share of what the route costs, and it ends when much fails.

Money is micro-dollars where prices are known; requests are counted as well, and both must fit.
"""

from collections import OrderedDict

from msgspec import Struct

from ..policy.routes import Hedge
from ..policy.targets import Asking, Candidate
from ..protocols import Clock
from .budget import Window

GRACE = 100
"""Requests whose share may be spent before they were made; also how much a quiet time may save up."""

FEW = 10
"""Tries below which a share of errors says nothing."""

ROUTES = 4096
"""Routes that are kept; the one not used for longest goes first."""

_MILLION = 1_000_000


def expected_cost(candidate: Candidate, asking: Asking) -> float:
    """Micro-dollars that a request likely costs there; 0: a price is not known, or it is free."""
    facts = candidate.facts
    if facts.input_price < 0 or facts.output_price < 0:
        return 0.0
    return (facts.input_price * asking.prompt + facts.output_price * asking.output) / _MILLION


class _Account:
    """One currency of one route: what all cost, and what losers did."""

    __slots__ = ("base", "lost")

    def __init__(self) -> None:
        self.base = 0.0
        self.lost = 0.0

    def earn(self, amount: float, requests: int, share: float) -> None:
        """One more request, the ``requests``-th. What was not used for long is forfeited."""
        self.base += amount
        saved = self.base / requests * _horizon(share)
        self.lost = max(self.lost, share * (self.base - saved))

    def allows(self, amount: float, requests: int, share: float) -> bool:
        """May one that likely costs ``amount`` be lost?"""
        advance = self.base / requests * max(0.0, GRACE - requests)
        return self.lost + amount <= share * (self.base + advance) + 1e-9


def _horizon(share: float) -> float:
    return max(float(GRACE), 2.0 / share)


class Spending:
    """What hedging a route did lately."""

    __slots__ = ("counted", "money", "recent", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.money = _Account()
        self.counted = _Account()
        self.recent = Window()


class Reserved(Struct, frozen=True, gc=False):
    """What a hedge may cost, until it is known."""

    route: str
    money: float


class Hedging:
    """The allowance of every route. One for the process: it outlives reloads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._routes: OrderedDict[str, Spending] = OrderedDict()

    def requested(self, route: str, hedge: Hedge, cost: float) -> None:
        """A request of ``route`` begins, likely to cost ``cost`` micro-dollars."""
        spending = self._of(route)
        spending.requests += 1
        spending.counted.earn(1.0, spending.requests, hedge.extra_spend)
        spending.money.earn(cost, spending.requests, hedge.extra_spend)

    def tried(self, route: str) -> None:
        """A try was made."""
        self._of(route).recent.add(self._clock(), whole=1)

    def failed(self, route: str) -> None:
        """A try failed for the target's sake."""
        self._of(route).recent.add(self._clock(), part=1)

    def open(self, route: str, hedge: Hedge, cost: float) -> bool:
        """May a second target start now, whose loss would cost ``cost``?"""
        spending = self._of(route)
        recent = spending.recent
        recent.pass_to(self._clock())
        if recent.whole >= FEW and recent.part > hedge.error_rate * recent.whole:
            return False
        requests, share = max(1, spending.requests), hedge.extra_spend
        return spending.counted.allows(1.0, requests, share) and spending.money.allows(cost, requests, share)

    def reserve(self, route: str, cost: float) -> Reserved:
        """It starts."""
        spending = self._of(route)
        spending.counted.lost += 1.0
        spending.money.lost += cost
        return Reserved(route, cost)

    def settle(self, reserved: Reserved, spent: int | None) -> None:
        """It is over; ``spent`` micro-dollars were lost, ``None``: as many as expected."""
        if spent is not None:
            money = self._of(reserved.route).money
            money.lost = max(0.0, money.lost - reserved.money + spent)

    def _of(self, route: str) -> Spending:
        found = self._routes.get(route)
        if found is None:
            found = self._routes[route] = Spending()
            if len(self._routes) > ROUTES:
                self._routes.popitem(last=False)
        else:
            self._routes.move_to_end(route)
        return found
