"""In which order other models stand in: those of the route, then theirs; each once, so that nothing goes in circles."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from ..policy.targets import Route

Named = Literal["", "context_length", "content_policy"]
"""The fault that has fallbacks of its own; "": any other."""


def of_route(route: Route, named: Named) -> tuple[str, ...]:
    """Public names, in the order in which they are tried."""
    if named == "context_length":
        return route.on_context_length
    return route.on_content_policy if named == "content_policy" else route.fallbacks


def fallbacks(
    begun: Sequence[Route], named: Named, visited: set[str], find: Callable[[str], Route | None]
) -> Iterator[tuple[str, Route]]:
    """Names and routes behind ``begun``, breadth first; ``visited`` names are passed over, and those that ``find`` does not give."""
    queue = deque(begun)
    while queue:
        for name in of_route(queue.popleft(), named):
            if name in visited:
                continue
            visited.add(name)
            route = find(name)
            if route is not None:
                yield name, route
                queue.append(route)
