"""Innermost: the request goes to its targets, one after the other until one answers, and the answer comes back.

The only place below the edge that sends.
"""

from collections.abc import Awaitable

from starlette.types import ASGIApp

from proxy.context import Receive, Scope, Send, context_of
from proxy.errors import InternalError
from proxy.protocols import Admission, Clock, Courses, Providers, Tasks
from proxy.relay.relay import Relay, RelaySettings
from proxy.relay.rounds import Rounds
from proxy.relay.watchdog import WATCH_AFTER
from proxy.services import Services
from proxy.wire.endpoints import Endpoint


class StreamingApp:
    """Relays a planned request; the mechanics are in ``proxy/relay``."""

    def __init__(
        self,
        *,
        courses: Courses,
        providers: Providers,
        admission: Admission,
        settings: RelaySettings,
        tasks: Tasks,
        clock: Clock,
        wall: Clock,
    ) -> None:
        self._courses = courses
        self._providers = providers
        self._admission = admission
        self._settings = settings
        self._tasks = tasks
        self._clock = clock
        self._wall = wall
        self._rounds = Rounds(WATCH_AFTER)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """No coroutine of its own: there is nothing to do when the relay has ended."""
        ctx = context_of(scope)
        if ctx.target is None:
            raise InternalError(detail="no target")
        relay = Relay(
            ctx,
            receive,
            send,
            course=self._courses.course(ctx),
            providers=self._providers,
            admission=self._admission,
            settings=self._settings,
            tasks=self._tasks,
            clock=self._clock,
            wall=self._wall,
            rounds=self._rounds,
        )
        return relay.run()


def app(endpoint: Endpoint, services: Services) -> ASGIApp:
    """The innermost application of a chain."""
    return StreamingApp(
        courses=services.courses,
        providers=services.providers,
        admission=services.admission,
        settings=services.relay,
        tasks=services.tasks,
        clock=services.clock,
        wall=services.wall,
    )
