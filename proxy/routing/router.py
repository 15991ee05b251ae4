"""Decides where a request goes: its route, the targets that may serve it, the first choice; and what to try after a fault.

No I/O, and no clock but the injected ones. A route with one target, which most have, costs hardly more than a lookup.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from random import Random

from msgspec import structs

from ..context import NO_CONTROLS, Controls, RequestContext
from ..errors import DeadlineExceeded, InvalidRequest
from ..policy.faults import Fault
from ..policy.routes import PolicyName, Retry
from ..policy.targets import Asking, Candidate, Plan, Rejection, Route
from ..protocols import Board, Clock, Directory
from .asking import NO_ASKING, asking_of, demand_of, needs_of_request
from .auto import Autos, is_auto
from .controls import PREFIX, read_controls, warning
from .fallbacks import Named, fallbacks
from .filters import Sifted, able, restricted
from .lifecycle import notices
from .prepared import Preparations, Prepared
from .refusals import nobody_ready, nothing_left
from .resolving import Resolver

Choose = Callable[[Sequence[Candidate], Asking, Board, Random], Candidate]

_SCORED = ("best", "balanced")

USUAL_RETRY = Retry()

_LONE = 2048
_NAMES = 2048


class Router:
    """Implements ``protocols.Router``. One per generation of the configuration; the board outlives it."""

    def __init__(
        self,
        *,
        directory: Directory,
        board: Board,
        policies: Mapping[PolicyName, Choose],
        scored: bool,
        classed: bool = False,
        admin_paths: bool,
        providers_use: Mapping[str, str],
        clock: Clock,
        wall: Clock,
        rng: Random,
        autos: Autos | None = None,
        retry: Retry = USUAL_RETRY,
        stored: bool = False,
    ) -> None:
        """``stored``: may there be an answer for a route none of whose targets takes requests, so that it is planned all the same? ``scored``: are there quality scores, and ``classed``: by class of prompt? ``providers_use``: provider name to its kind; ``clock``: that of ``ctx.started``;
        ``wall``: unix seconds; ``retry``: of requests that name no model."""
        self._board = board
        self._policies: dict[str, Choose] = dict(policies.items())
        self._scored = scored
        self._stored = stored
        self._classed = classed
        self._clock = clock
        self._wall = wall
        self._rng = rng
        self._resolver = Resolver(
            directory=directory,
            preparations=Preparations(directory),
            autos=autos,
            admin_paths=admin_paths,
            uses=providers_use,
            scored=scored,
            retry=retry,
        )
        self._directory = directory
        self._headers: set[bytes] = set()
        """Names of request headers that are none of ours."""
        self._lone: dict[int, Plan] = {}
        """Plans of routes with one target, by the identity of its candidates."""

    def plan(self, ctx: RequestContext) -> Plan:
        """See ``protocols.Router``. Sets ``ctx.controls`` and ``ctx.deadline``; takes a body list of models that it acts on out of the
        body; adds to the answer's headers. Raises ``DeadlineExceeded``, too."""
        if not ctx.uncontrolled and not self._headers.issuperset(ctx.headers):
            self._look(ctx)
        asked = self._resolver.route(ctx)
        lone = self._lone.get(id(asked.candidates))
        # Have neither the request nor its key wishes about where it goes?
        free = ctx.principal.anywhere and ctx.controls is NO_CONTROLS and not ctx.bound
        if free and lone is not None and lone.route is asked and self._board.ready(lone.candidates):
            # Nothing about the request matters: what was found for the last one holds.
            return lone
        found = self._resolver.living(ctx, asked)
        assert found is not None
        route, prepared = found
        several, policy = len(prepared.living) > 1, self._policy(ctx, route)
        needs = needs_of_request(ctx, prepared) if several or ctx.controls.dry_run else 0
        candidates, rejected = self._left(ctx, prepared, needs, several=several)
        asking = self._asking(ctx, route, policy, needs, several=several)
        if not candidates:
            chosen = self._for_length(ctx, route, rejected)
        else:
            chosen = self._choice(candidates, policy, asking) or self._instead(ctx, route, candidates)
        plan = self._planned(ctx, route, policy, candidates, chosen, asking, rejected)
        if free and plan.asking is NO_ASKING:
            self._remember(plan, prepared)
        return plan

    def _remember(self, plan: Plan, prepared: Prepared) -> None:
        """Where a route has one target, which is well and about which nothing is to be said, its plan is always the same."""
        if len(prepared.candidates) == 1 and not prepared.standings and plan.chosen in plan.candidates:
            if len(self._lone) >= _LONE:
                self._lone.clear()
            # By their own place in memory: the plan holds them there.
            self._lone[id(plan.candidates)] = plan

    def another(self, ctx: RequestContext, plan: Plan, tried: Sequence[Candidate], fault: Fault) -> Candidate | None:
        """See ``protocols.Router``. Once a prompt was too long or unwelcome somewhere, only the fallbacks for that are left."""
        action = fault.action
        if not action.elsewhere and not action.named:
            return None
        named: Named = action.named or _named_before(ctx, plan)
        if not named:
            found = self._choice(plan.candidates, plan.policy, plan.asking, tried)
            if found is not None:
                return found
        if plan.bound:
            return None
        spent = _spent(ctx, tried)
        if action.named and tried:
            spent.add(tried[-1].model)
        return self._fallback(ctx, plan.route, plan.candidates, tried, named, spent)

    # ---- what the request asks for ----------------------------------------------------------------------------------

    def _look(self, ctx: RequestContext) -> None:
        """A header has a name that is new. Is it a control?"""
        if PREFIX in b"".join(ctx.headers):
            self._heed(ctx)
        elif len(self._headers) < _NAMES:
            self._headers.update(ctx.headers)

    def _heed(self, ctx: RequestContext) -> None:
        """Reads the request's controls. Raises ``InvalidRequest`` or ``DeadlineExceeded``."""
        asked = read_controls(ctx.headers, ctx.principal.controls)
        if asked.ignored:
            ctx.response_headers.append((b"x-tollway-warning", warning(asked.ignored)))
            if ("strict", "not permitted to this key") in asked.ignored:
                ctx.headers = {name: value for name, value in ctx.headers.items() if name != PREFIX + b"strict"}
        controls = asked.controls
        if controls == NO_CONTROLS:
            return
        ctx.controls = controls
        if controls.policy in _SCORED and not self._scored:
            raise InvalidRequest(
                f"The policy {controls.policy!r} needs quality scores: the gateway's owner can name a file of them with routing.scores. "
                "Leave out x-tollway-policy, or ask for another.",
                param="x-tollway-policy",
                code="no_scores",
            )
        if controls.dry_run and ctx.endpoint.body == "socket":
            raise InvalidRequest(
                "A WebSocket cannot be tried dry: leave out x-tollway-dry-run, or send an ordinary request for the same model.",
                param="x-tollway-dry-run",
                code="invalid_header",
            )
        self._set_deadline(ctx, controls)

    def _set_deadline(self, ctx: RequestContext, controls: Controls) -> None:
        """The earlier of both, on the monotonic clock."""
        if controls.timeout is None and controls.deadline is None:
            return
        now, ends = self._clock(), []
        if controls.timeout is not None:
            ends.append((ctx.started or now) + controls.timeout)
        if controls.deadline is not None:
            ends.append(now + controls.deadline - self._wall())
        ctx.deadline = min(ends)
        if ctx.deadline <= now:
            raise DeadlineExceeded(
                "The deadline that this request sets has passed already: x-tollway-deadline is a moment in unix seconds, "
                "x-tollway-timeout-ms the milliseconds from its arrival. Set a later one; nothing was sent."
            )

    # ---- who may serve it -------------------------------------------------------------------------------------------

    def _left(self, ctx: RequestContext, prepared: Prepared, needs: int, *, several: bool) -> Sifted:
        """Those of a route that pass every filter but health; ``several``: are they asked what they can do? A sole target is not."""
        candidates, rejected = prepared.living, prepared.retired
        if restricted(ctx.principal):
            candidates, refused = prepared.permitted(ctx.principal)
            rejected += refused
        if candidates and (several or ctx.controls is not NO_CONTROLS):
            demand = demand_of(ctx, prepared, needs, several=several)
            if demand is not None:
                candidates, refused = able(candidates, demand, prepared.standings)
                rejected += refused
        if ctx.controls.first_byte is not None:
            candidates = tuple(_with_first_byte(each, ctx.controls.first_byte) for each in candidates)
        return candidates, rejected

    def _for_length(self, ctx: RequestContext, route: Route, rejected: tuple[Rejection, ...]) -> Candidate:
        """No target of the route is left. Where the prompt is too long for them there may be fallbacks for that; else it is refused."""
        if _too_long(rejected) and not ctx.bound:
            chosen = self._fallback(ctx, route, (), (), "context_length")
            if chosen is not None:
                return chosen
        raise nothing_left(ctx.request.model or route.label, rejected)

    def _instead(self, ctx: RequestContext, route: Route, candidates: tuple[Candidate, ...]) -> Candidate:
        """None of them takes a request now: a fallback, if there is one. Raises ``NoHealthyTarget``."""
        if not ctx.bound:
            chosen = self._fallback(ctx, route, candidates, (), "")
            if chosen is not None:
                return chosen
        if self._stored and not ctx.controls.dry_run:
            # Whoever has to be asked after all is told the same by its course.
            return candidates[0]
        raise nobody_ready(ctx.request.model or route.label, candidates, self._board, bound=_why(ctx.bound))

    # ---- the choice -------------------------------------------------------------------------------------------------

    def _asking(self, ctx: RequestContext, route: Route, policy: str, needs: int, *, several: bool) -> Asking:
        """``NO_ASKING`` where nothing is to be chosen, and nobody will look at it."""
        if (
            several
            or ctx.controls is not NO_CONTROLS
            or route.slo is not None
            or ctx.principal.slo is not None
            or policy == "sticky"
        ):
            return asking_of(ctx, route, policy, needs=needs, classed=self._classed)
        return NO_ASKING

    def _policy(self, ctx: RequestContext, route: Route) -> str:
        policy = ctx.controls.policy or route.policy
        return "priority" if policy == "balanced" and not self._scored else policy

    def _choice(
        self, candidates: Sequence[Candidate], policy: str, asking: Asking, tried: Sequence[Candidate] = ()
    ) -> Candidate | None:
        """By the policy, among those that take requests now; before any was tried also among the full ones that let it wait.

        The board is asked for all of them, tried or not: it leaves one of a route whose targets have faults alone.
        """
        ready = self._board.ready(candidates)
        if tried:
            gone = {_identity(each) for each in tried}
            ready = [each for each in ready if _identity(each) not in gone]
        elif not ready:
            ready = [each for each in candidates if each.queue > 0 and self._board.state(each) == "full"]
        if len(ready) == 1:
            return ready[0]
        if not ready:
            return None
        return self._policies[policy](ready, asking, self._board, self._rng)

    def _fallback(
        self,
        ctx: RequestContext,
        route: Route,
        candidates: Sequence[Candidate],
        tried: Sequence[Candidate],
        named: Named,
        spent: AbstractSet[str] = frozenset(),
    ) -> Candidate | None:
        """The next of the fallbacks: each one's own targets by its own policy and the same filters; ``spent`` models are passed over."""
        visited = {each.model for each in (*route.candidates, *candidates)} | spent
        behind = dict.fromkeys(each.model for each in tried if each.model not in {own.model for own in candidates})
        begun = [route, *(used for name in behind if (used := self._directory.route(name)) is not None)]
        for _, found in fallbacks(begun, named, visited, lambda name: self._resolver.standing_in(ctx, name)):
            living = self._resolver.living(ctx, found, told=False)
            if living is None:
                continue
            other, prepared = living
            needs = needs_of_request(ctx, prepared)
            left, _ = self._left(ctx, prepared, needs, several=True)
            if left:
                policy = self._policy(ctx, other)
                asking = self._asking(ctx, other, policy, needs, several=True)
                chosen = self._choice(left, policy, asking, tried)
                if chosen is not None:
                    return chosen
        return None

    def _planned(
        self,
        ctx: RequestContext,
        route: Route,
        policy: str,
        candidates: tuple[Candidate, ...],
        chosen: Candidate,
        asking: Asking,
        rejected: tuple[Rejection, ...],
    ) -> Plan:
        ctx.response_headers += notices(self._directory, chosen.target)
        if is_auto(route):
            own = self._directory.route(chosen.model)
            route = structs.replace(route, label=own.label if own is not None else chosen.model)
        controls, bound = ctx.controls, ctx.bound
        looked = controls.dry_run or controls.trace
        return Plan(
            route=route,
            candidates=candidates,
            chosen=chosen,
            asking=asking,
            policy=policy,
            rejected=rejected,
            figures=self._board.figures(candidates) if looked else (),
            attempts=route.retry.attempts if controls.retries is None else controls.retries + 1,
            bound=_why(bound) if bound else "",
            key=_key(bound) if bound else -1,
        )


def _identity(each: Candidate) -> tuple[str, str, str]:
    return each.model, each.target.provider, each.target.model


def _with_first_byte(each: Candidate, seconds: float) -> Candidate:
    limits = structs.replace(each.target.limits, first_byte=seconds)
    return structs.replace(each, target=structs.replace(each.target, limits=limits))


def _too_long(rejected: Sequence[Rejection]) -> bool:
    return any(each.filter == "context" for each in rejected)


def _named_before(ctx: RequestContext, plan: Plan) -> Named:
    """What an earlier try, or the plan itself, found that only fallbacks of its own can cure."""
    if not plan.candidates and _too_long(plan.rejected):
        return "context_length"
    for attempt in ctx.attempts:
        if attempt.fault is not None and attempt.fault.action.named:
            return attempt.fault.action.named
    return ""


def _spent(ctx: RequestContext, tried: Sequence[Candidate]) -> set[str]:
    """Models of which one target has said what holds for all of them: the prompt is too long, or unwelcome."""
    places = {
        (each.provider, each.model) for each in ctx.attempts if each.fault is not None and each.fault.action.named
    }
    return {each.model for each in tried if (each.target.provider, each.target.model) in places}


def _why(bound: str) -> str:
    return f"it continues what provider {bound.partition('#')[0]!r} keeps" if bound else ""


def _key(bound: str) -> int:
    """The key's number in ``provider#key``; -1: any."""
    number = bound.partition("#")[2]
    return int(number) if number.isdigit() else -1
