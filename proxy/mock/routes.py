"""The tables of every path, one for each dialect, and the search in them."""

from . import (
    anthropic,
    bedrock,
    chat,
    cohere,
    completions,
    files,
    gemini,
    media,
    models,
    objects,
    rerank,
    responses,
    stored_chats,
)
from .reply import Refused
from .store import Route

ROUTES: tuple[Route, ...] = (
    *chat.ROUTES,
    *stored_chats.ROUTES,
    *completions.ROUTES,
    *responses.ROUTES,
    *models.ROUTES,
    *rerank.ROUTES,
    *media.ROUTES,
    *files.ROUTES,
    *objects.ROUTES,
)
TABLES: dict[str, tuple[Route, ...]] = {
    "openai": ROUTES,
    "anthropic": anthropic.ROUTES,
    "gemini": gemini.ROUTES,
    "bedrock": bedrock.ROUTES,
    "cohere": cohere.ROUTES,
}


class _Table:
    """The routes of one dialect, by whole path and by first segment."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self.exact: dict[str, dict[str, Route]] = {}
        self.by_head: dict[str, list[tuple[list[str], Route]]] = {}
        for route in routes:
            parts = route.template.strip("/").split("/")
            if "{" in route.template:
                self.by_head.setdefault(parts[0], []).append((parts, route))
            else:
                self.exact.setdefault(route.template, {})[route.method] = route


_TABLES = {name: _Table(routes) for name, routes in TABLES.items()}


def find(method: str, path: str, table: str = "openai") -> tuple[Route, list[str]]:
    """Return the route of `method` and `path` (without /v1) and its parameters; refuse as OpenAI does."""
    known = _TABLES[table]
    wanted = "GET" if method == "HEAD" else method
    exact = known.exact.get(path, {})
    if wanted in exact:
        return exact[wanted], []
    others = bool(exact)
    parts = path.strip("/").split("/")
    for pattern, route in known.by_head.get(parts[0], ()) if not path.endswith("/") else ():
        params = _match(pattern, parts)
        if params is None:
            continue
        if route.method == wanted:
            return route, params
        others = True
    if others:
        raise Refused(
            f"Not allowed to {method} on /v1{path} (HINT: Perhaps you meant to make your HTTP request using a "
            "different HTTP method?)",
            status=405,
            code="method_not_supported",
        )
    raise Refused(f"Invalid URL ({method} /v1{path})", status=404)


def _match(pattern: list[str], parts: list[str]) -> list[str] | None:
    """Return the parameters: `{id}` is one segment, `{id}:verb` one that ends so, `{id...}` the rest."""
    params: list[str] = []
    for index, want in enumerate(pattern):
        if want.endswith("...}"):
            rest = "/".join(parts[index:])
            return [*params, rest] if rest else None
        if index >= len(parts) or not parts[index]:
            return None
        if not want.startswith("{"):
            if want != parts[index]:
                return None
            continue
        ending = want.partition("}")[2]
        if not parts[index].endswith(ending) or len(parts[index]) == len(ending):
            return None
        params.append(parts[index].removesuffix(ending))
    return params if len(parts) == len(pattern) else None
