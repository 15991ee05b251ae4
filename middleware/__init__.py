"""The request path. Read the files in the order of ``CHAIN``: that is the order in which a request meets them.

edge → auth → parse → ownership → token_count → routing → rate_limit → cache → streaming
"""

from starlette.types import ASGIApp

from proxy.local import tokens
from proxy.services import Services
from proxy.wire.endpoints import COUNT_TOKENS, MODELS, NATIVE, REALTIME, TOKENS, Endpoint

from . import (
    auth,
    cache,
    canary,
    edge,
    models,
    native,
    ownership,
    parse,
    rate_limit,
    realtime,
    routing,
    streaming,
    token_count,
)

CHAIN: tuple[edge.Link, ...] = (
    edge.link,
    auth.link,
    parse.link,
    ownership.link,
    token_count.link,
    routing.link,
    rate_limit.link,
    cache.link,
)
"""The core links, outermost first; ``streaming`` is the application inside them."""

_CHAINS: dict[Endpoint, tuple[edge.Link, ...]] = {
    MODELS: (edge.link, auth.link, ownership.link, rate_limit.link, models.link, routing.link),
    NATIVE: (
        edge.link,
        auth.link,
        parse.link,
        ownership.link,
        native.link,
        token_count.link,
        rate_limit.link,
    ),
    TOKENS: (edge.link, auth.link, parse.link, token_count.link, routing.link, rate_limit.link),
}
"""Endpoints whose chain differs."""


def build_chain(endpoint: Endpoint, path: str | None, services: Services) -> ASGIApp:
    """The chain of one endpoint. ``path`` is fixed for listed paths, ``None`` where it comes with the request."""
    links = _CHAINS.get(endpoint, CHAIN)
    if services.arm:
        links = (links[0], canary.link, *links[1:])
    if services.owners is None:
        links = tuple(each for each in links if each is not ownership.link)
    if services.cache is None or not cache.answers(endpoint, path):
        links = tuple(each for each in links if each is not cache.link)
    if endpoint is TOKENS:
        app = tokens.app(services.counter)
    elif endpoint is COUNT_TOKENS:
        app = tokens.CountTokensApp(services.counter, services.providers, streaming.app(endpoint, services))
    elif endpoint is REALTIME:
        app = realtime.app(endpoint, services)
    else:
        app = streaming.app(endpoint, services)
    for link in reversed(links):
        cls, args, kwargs = link(endpoint, path, services)
        app = cls(app, *args, **kwargs)
    return app
