"""The table of every path, and the search in it."""

from . import chat, completions, files, media, models, objects, responses, stored_chats
from .reply import Refused
from .store import Route

ROUTES: tuple[Route, ...] = (
    *chat.ROUTES,
    *stored_chats.ROUTES,
    *completions.ROUTES,
    *responses.ROUTES,
    *models.ROUTES,
    *media.ROUTES,
    *files.ROUTES,
    *objects.ROUTES,
)

_EXACT: dict[str, dict[str, Route]] = {}
_BY_HEAD: dict[str, list[tuple[list[str], Route]]] = {}
for _route in ROUTES:
    _parts = _route.template.strip("/").split("/")
    if "{" in _route.template:
        _BY_HEAD.setdefault(_parts[0], []).append((_parts, _route))
    else:
        _EXACT.setdefault(_route.template, {})[_route.method] = _route


def find(method: str, path: str) -> tuple[Route, list[str]]:
    """Return the route of `method` and `path` (without /v1) and its parameters; refuse as OpenAI does."""
    wanted = "GET" if method == "HEAD" else method
    exact = _EXACT.get(path, {})
    if wanted in exact:
        return exact[wanted], []
    others = bool(exact)
    parts = path.strip("/").split("/")
    for pattern, route in _BY_HEAD.get(parts[0], ()) if not path.endswith("/") else ():
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
    params: list[str] = []
    for index, want in enumerate(pattern):
        if want.endswith("...}"):
            rest = "/".join(parts[index:])
            return [*params, rest] if rest else None
        if index >= len(parts) or not parts[index]:
            return None
        if want.startswith("{"):
            params.append(parts[index])
        elif want != parts[index]:
            return None
    return params if len(parts) == len(pattern) else None
