"""Secrets and what people write are in no output where they may not be: each is a canary, and every output is searched for all of them.

A gateway is given a secret in every place that takes one, and asked in every way, well and badly. What it told the world by then, over
logs, metrics, probes, answers, the admin API, files and the command line, is searched in the forms that a careless line would have.
"""

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.observed import access_lines
from tests.support.processes import ROOT, Gateway, Mock, config_for, free_port
from tests.support.rawhttp import Answer, Client, ask, chat, eventually, request
from tests.support.valkey import Server

MARK = "c4n4ry"


def canary(name: str) -> str:
    """Letters and digits alone, so that no encoding of URLs or JSON hides it."""
    return f"{MARK}{name}7f3a9d51"


SECRETS = {
    name: canary(name)
    for name in ("providerkey", "secondkey", "providerheader", "admin", "pepper", "metrics", "redis", "client", "other")
}
"""The operator's, and the callers' credentials."""

WRITTEN = {
    name: canary(name)
    for name in ("prompt", "system", "cookie", "toolname", "toolargument", "filename", "filebytes", "query", "user", "metadata", "part", "wrongkey", "baggage")
}  # fmt: skip
"""What clients write. It may be in the answer to the one who wrote it."""

KEY, OTHER = f"sk-tw-{SECRETS['client']}", f"sk-tw-{SECRETS['other']}"


def forms(text: str) -> Iterator[bytes]:
    """As it is, in base64 wherever it begins, and in hexadecimal."""
    yield text.encode()
    yield text.encode().hex().encode()
    for shift in range(3):
        # Whole groups only: the first and the last depend on what stands beside it.
        yield base64.b64encode(b"." * shift + text.encode())[4:-4]


def found(output: bytes, *, of: dict[str, str]) -> list[str]:
    """Canaries in ``output``, with their surroundings."""
    told = []
    for name, text in of.items():
        for form in forms(text):
            at = output.find(form)
            if at >= 0:
                told.append(f"{name}: {output[max(0, at - 60) : at + 40]!r}")
    return told


def everything(path: Path) -> bytes:
    """Files below a folder, one after the other."""
    return b"\n".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())


def body(**fields: Any) -> dict[str, Any]:
    """A request that says a lot."""
    messages = [
        {"role": "system", "content": WRITTEN["system"]},
        {"role": "user", "content": [{"type": "text", "text": WRITTEN["prompt"]}]},
    ]
    tool = {"type": "function", "function": {"name": WRITTEN["toolname"], "parameters": {"type": "object"}}}
    return {
        "model": "fast", "messages": messages, "tools": [tool], "user": WRITTEN["user"], "metadata": {"m": WRITTEN["metadata"]}, **fields,
    }  # fmt: skip


CALLED = [
    {"role": "user", "content": WRITTEN["prompt"]},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": WRITTEN["toolname"], "arguments": json.dumps({"a": WRITTEN["toolargument"]})}}]},
    {"role": "tool", "tool_call_id": "call_1", "content": WRITTEN["toolargument"]},
]  # fmt: skip

FAULTS = (
    "status:503", "rate-limit", "quota", "bad-key", "context-length", "content-policy", "reset", "close", "cut:3", "cut-mid-event:2",
    "malformed-sse:2", "bad-chunk:2", "bad-header:control", "json-200-error", "sse-error:2", "sse-error:0", "empty", "html-502",
    "odd-error:1", "odd-error:3", "not-json", "redirect", "gzip-bomb", "length-short", "hang",
)  # fmt: skip

HEADERS = {"cookie": f"session={WRITTEN['cookie']}", "baggage": f"user={WRITTEN['baggage']}"}


def form() -> bytes:
    """An upload with a name and bytes."""
    lines = [
        "--edge", 'content-disposition: form-data; name="purpose"', "", "user_data",
        "--edge", f'content-disposition: form-data; name="file"; filename="{WRITTEN["filename"]}.txt"', "content-type: text/plain", "",
        WRITTEN["filebytes"], "--edge--", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


def asked() -> Iterator[tuple[str, bytes]]:
    """(what it is, the request) for every way to ask."""
    query = f"?key={WRITTEN['query']}"
    for stream in (False, True):
        for _ in range(2):
            yield "the same twice, for the cache", chat(stream=stream, key=KEY, headers=HEADERS, **body())
        yield "tools that were called", chat(stream=stream, key=KEY, **body(messages=CALLED))
        yield "failover", chat(stream=stream, key=KEY, **body(model="two"))
    yield "dry run", chat(key=KEY, headers={"x-tollway-dry-run": "true"}, **body(model="two"))
    yield "traced", chat(key=KEY, headers={"x-tollway-trace": "true", **HEADERS}, **body())
    yield "strict", chat(key=KEY, headers={"x-tollway-strict": "true"}, **body(model="claude", logit_bias={"1": 1}))
    yield "translated", chat(key=KEY, **body(model="claude"))
    yield "wrong key", chat(key=f"sk-{WRITTEN['wrongkey']}", **body())
    yield (
        "key in another header",
        request("POST", "/v1/messages", b"{}", key=None, headers={"x-api-key": WRITTEN["wrongkey"]}),
    )
    yield "nobody's model", chat(key=OTHER, **body(model="nobody"))
    yield "over a limit", chat(key=OTHER, **body())
    yield "over a limit again", chat(key=OTHER, **body())
    yield "over a budget", chat(key=OTHER, **body(max_tokens=100_000))
    for path in (
        "/v1/responses",
        "/v1/embeddings",
        "/v1/completions",
        "/v1/moderations",
        "/v1/images/generations",
        "/v1/rerank",
    ):
        fields = {
            "model": "fast",
            "input": WRITTEN["prompt"],
            "prompt": WRITTEN["prompt"],
            "query": "q",
            "documents": [WRITTEN["part"]],
        }
        yield path, request("POST", path + query, json.dumps(fields).encode(), key=KEY, headers=HEADERS)
    yield (
        "messages",
        request(
            "POST",
            "/v1/messages",
            json.dumps({"model": "fast", "max_tokens": 9, "messages": CALLED[:1]}).encode(),
            key=KEY,
        ),
    )
    yield (
        "upload",
        request("POST", "/v1/files" + query, form(), key=KEY, content_type="multipart/form-data; boundary=edge"),
    )
    yield (
        "broken form",
        request("POST", "/v1/files", form()[:-9], key=KEY, content_type="multipart/form-data; boundary=edge"),
    )
    yield "files", request("GET", "/v1/files" + query, key=KEY)
    yield "models", request("GET", "/v1/models" + query, key=KEY)
    yield "native", request("POST", "/native/mock/chat/completions" + query, json.dumps(body()).encode(), key=KEY)
    yield (
        "tokens",
        request(
            "POST",
            "/v1/responses/input_tokens",
            json.dumps({"model": "fast", "input": WRITTEN["prompt"]}).encode(),
            key=KEY,
        ),
    )
    for broken in (json.dumps(body()).encode()[:-3], b'{"model": "' + WRITTEN["prompt"].encode() + b"\xff\xfe", b'{"model": ["' + WRITTEN["prompt"].encode() + b'"]}', b'{"model": "fast", "messages": "' + WRITTEN["prompt"].encode() + b'", "stream": "' + WRITTEN["prompt"].encode() + b'"}'):  # fmt: skip
        yield "bad bytes", request("POST", "/v1/chat/completions", broken, key=KEY, headers=HEADERS)
    yield "no such path", request("GET", "/no/such" + query, key=KEY)
    yield "two keys", request("GET", "/v1/models", key=KEY, headers={"x-api-key": OTHER})
    yield (
        "an impossible header",
        request(
            "POST", "/v1/chat/completions", b"{}", key=KEY, headers={"x-tollway-deadline": WRITTEN["part"], **HEADERS}
        ),
    )
    yield (
        "a header that imitates",
        request("POST", "/v1/chat/completions", b"{}", key=KEY, headers={"x_tollway_policy": WRITTEN["part"]}),
    )
    for path in ("/livez", "/readyz", "/healthz", "/metrics"):
        yield path, request("GET", path + query, key=KEY)


def failing() -> Iterator[tuple[str, bytes]]:
    """The same for every way in which a provider fails; none of them is answered from the cache."""
    for number, fault in enumerate(FAULTS):
        for stream in (False, True):
            told = {"x-mock-fault": fault, "x-tollway-timeout-ms": "400", **HEADERS}
            yield fault, chat(stream=stream, key=KEY, headers=told, **body(seed=number))


ADMIN = (
    "accounts", "keys", "usage", "requests", "transactions", "audit", "cache", "health", "status", "openapi.json", "vouchers", "traces/none", "nothing",
)  # fmt: skip


class Told:
    """Everything that one gateway let the world know: ``answers`` with what was asked; ``files`` it left."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, Answer | None]] = []
        self.probes = b""
        self.log = b""
        self.files = b""
        self.spoken: set[str] = set()
        """Sentences that providers answered with."""
        self.made = ""
        """The text of a key that the admin API made."""
        self.made_in = b""
        self.lines: list[dict[str, Any]] = []


def whole(answer: Answer | None) -> bytes:
    """Head and body."""
    if answer is None:
        return b""
    return repr(answer.headers).encode() + answer.body


@pytest.fixture(scope="module")
def state() -> Iterator[Server]:
    """A store with a password."""
    server = Server("valkey", "--requirepass", SECRETS["redis"])
    yield server
    server.close()


@pytest.fixture(scope="module")
def config(mock: Mock, state: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A secret wherever one can be."""
    provider = {
        "use": "openai",
        "base_url": mock.url,
        "api_keys": [f"sk-{SECRETS['providerkey']}", f"sk-{SECRETS['secondkey']}"],
        "headers": {"x-team-secret": SECRETS["providerheader"]},
    }
    return config_for(
        mock.url,
        server={"health_port": free_port()},
        admin={"key": f"admin-{SECRETS['admin']}"},
        keys=[
            {"name": "app", "key": KEY},
            {"name": "other", "key": OTHER, "models": ["fast"], "limits": {"rpm": 2}, "budget": {"usd": 0.001, "per": "day"}},
        ],
        providers={
            "mock": provider,
            "dead": {"use": "openai", "base_url": f"http://127.0.0.1:{free_port()}/v1", "api_key": f"sk-{SECRETS['providerkey']}"},
            "claude": {"use": "anthropic", "base_url": mock.origin, "api_key": f"sk-ant-{SECRETS['secondkey']}"},
        },
        models={
            "fast": {"targets": [{"provider": "mock", "model": "gpt-4o"}]},
            "two": {"targets": [{"provider": "dead", "model": "gpt-4o"}, {"provider": "mock", "model": "gpt-4o"}]},
            "claude": {"targets": [{"provider": "claude", "model": "claude-sonnet-4-5"}]},
        },
        passthrough={"provider": "mock"},
        retry={"attempts": 2},
        health={"enabled": False},
        cache={"exact": {"ttl": "1h"}},
        storage={"type": "sqlite", "path": str(tmp_path_factory.mktemp("ledger") / "tollway.db"), "pepper": SECRETS["pepper"] * 2},
        state={"type": "redis", "url": f"redis://:{SECRETS['redis']}@127.0.0.1:{state.port}/0"},
        telemetry={"log_level": "debug", "metrics_key": SECRETS["metrics"], "key_metrics": 10},
    )  # fmt: skip


@pytest.fixture(scope="module")
def told(config: dict[str, Any], state: Server) -> Told:
    """What a gateway tells that is asked in every way, loses its store, is given a broken configuration, and ends."""
    found, gateway = Told(), Gateway(config)
    try:
        asyncio.run(_driven(gateway, config, found, state))
        assert gateway.terminate() == 0
        found.log = gateway.log().encode()
        found.lines = access_lines(gateway)
    finally:
        gateway.close()
    found.files = everything(Path(config["storage"]["path"]).parent)
    return found


async def _driven(gateway: Gateway, config: dict[str, Any], told: Told, state: Server) -> None:
    gate = asyncio.Semaphore(12)

    async def one(name: str, data: bytes) -> None:
        async with gate:
            try:
                answer = await ask(gateway.port, data, timeout=15)
            except ConnectionError:
                answer = None
        told.answers.append((name, answer))

    for questions in (asked(), failing()):
        await asyncio.gather(*(one(name, data) for name, data in questions))
    plain = next(
        answer for name, answer in told.answers if answer and name == "tools that were called" and answer.status == 200
    )
    told.spoken = {sentence for sentence in re.findall(r"[A-Z][a-z ,]{20,}\.", plain.body.decode()) if sentence}
    await _leaves(gateway.port)
    await _raw(gateway.port)
    await _administered(gateway, told)
    health = config["server"]["health_port"]
    for path in ("/metrics", "/readyz", "/livez", "/nothing"):
        told.probes += whole(await ask(health, request("GET", path, key=SECRETS["metrics"], headers=HEADERS)))
    told.probes += whole(await ask(health, request("GET", "/metrics", key=WRITTEN["wrongkey"])))
    state.kill()
    await one("the store is down", chat(key=KEY, **body()))
    gateway.write(
        {**config, "providers": {**config["providers"], "bad": {"use": "openai", "api_key": [SECRETS["providerkey"]]}}}
    )
    await eventually(lambda: "configuration refused" in gateway.log(), 10)
    told.probes += whole(await ask(health, request("GET", "/readyz")))


async def _leaves(port: int) -> None:
    """A client that goes away while it is answered."""
    async with await Client.open(port) as client:
        await client.send(chat(stream=True, key=KEY, headers={"x-mock-pace": "50", "x-mock-tokens": "200"}, **body()))
        await client.head()
        client.reset()


async def _raw(port: int) -> None:
    """What is no HTTP."""
    for data in (
        b"GET /" + WRITTEN["query"].encode() + b" HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-" + WRITTEN["part"].encode() + b": \x00\x01\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + KEY.encode() + b"\r\ncontent-length: 100000\r\n\r\n{" + WRITTEN["prompt"].encode(),
    ):  # fmt: skip
        async with await Client.open(port) as client:
            await client.send(data)
            client.half_close()
            try:
                async with asyncio.timeout(2):
                    while await client.fill():
                        pass
            except TimeoutError:
                pass


async def _administered(gateway: Gateway, told: Told) -> None:
    """Every view of the admin API, a new key, and wrong doors."""
    admin = config_key = f"admin-{SECRETS['admin']}"
    account = await ask(gateway.port, request("POST", "/admin/v1/accounts", b'{"name": "acme"}', key=admin))
    made = await ask(
        gateway.port,
        request(
            "POST", "/admin/v1/keys", json.dumps({"name": "new", "account": account.json["id"]}).encode(), key=admin
        ),
    )
    told.made, told.made_in = made.json["key"], made.body
    for path in ADMIN:
        for key in (config_key, KEY, f"admin-{WRITTEN['wrongkey']}"):
            answer = await ask(gateway.port, request("GET", f"/admin/v1/{path}", key=key, headers=HEADERS))
            told.answers.append((f"admin {path}", answer))
    broken = await ask(
        gateway.port, request("POST", "/admin/v1/keys", b'{"name": ["' + WRITTEN["part"].encode(), key=admin)
    )
    told.answers.append(("admin: bad bytes", broken))
    used = await ask(gateway.port, chat(key=told.made, **body()))
    told.answers.append(("the new key", used))


def test_everything_was_asked(told: Told) -> None:
    """Or the rest would be about nothing."""
    statuses = {answer.status for _, answer in told.answers if answer is not None}
    assert {200, 400, 401, 404, 429, 502, 503, 504} <= statuses, statuses
    caches = {answer.header("x-tollway-cache") for _, answer in told.answers if answer is not None}
    assert {"hit", "miss"} <= caches
    assert {answer.status for name, answer in told.answers if name == "failover" and answer} == {200}
    assert {answer.status for name, answer in told.answers if name == "admin keys" and answer} == {200, 401}
    assert told.spoken
    assert b"tollway_requests_total{" in told.probes
    assert b"config_error" in told.probes
    outcomes = Counter(line["outcome"] for line in told.lines)
    assert {"ok", "rejected", "upstream_error", "timeout", "client_closed"} <= set(outcomes)
    assert outcomes["upstream_error"] > 15
    assert len({line["error"] for line in told.lines}) > 8
    assert len(told.lines) > 90
    assert b"SQLite format 3" in told.files


def test_the_search_finds_what_is_there() -> None:
    secret = {"x": SECRETS["redis"]}
    for output in (
        f"redis://:{SECRETS['redis']}@h".encode(),
        base64.b64encode(f"user:{SECRETS['redis']}!".encode()),
        SECRETS["redis"].encode().hex().encode(),
    ):
        assert found(output, of=secret), output
    assert not found(b"nothing", of=secret)


def test_no_secret_is_in_any_answer(told: Told) -> None:
    for name, answer in told.answers:
        assert found(whole(answer), of=SECRETS) == [], name


def test_no_answer_of_the_gateway_repeats_what_was_written(told: Told) -> None:
    """An error that quotes the body would stand in the client's logs."""
    looked_at = 0
    for name, answer in told.answers:
        if answer is None or answer.header("x-tollway-error-source") != "gateway":
            continue
        looked_at += 1
        told_back = [text for text in found(whole(answer), of=WRITTEN) if not text.startswith(("toolname:",))]
        assert told_back == [], name
    assert looked_at > 20


@pytest.mark.parametrize("where", ["log", "probes"])
def test_logs_metrics_and_probes_have_neither(told: Told, where: str) -> None:
    output = getattr(told, where)
    assert len(output) > 10_000
    assert found(output, of={**SECRETS, **WRITTEN}) == []
    assert MARK.encode() not in output
    assert [sentence for sentence in told.spoken if sentence.encode() in output] == [], "what was answered"
    assert told.made.encode() not in output


def test_access_log_lines_have_every_field_that_is_promised(told: Told) -> None:
    promised = {
        "request_id", "trace_id", "key", "route", "provider", "model", "status", "attempts", "cache", "input_tokens", "output_tokens",
        "cost_usd", "ttft_ms", "duration_ms", "overhead_ms", "error",
    }  # fmt: skip
    for line in told.lines:
        assert promised <= set(line), line
    assert {"app", "other"} <= {line["key"] for line in told.lines}
    assert any(line["attempts"] > 1 and line["tried"] for line in told.lines)
    assert any(line["cost_usd"] for line in told.lines)
    assert any(line["ttft_ms"] for line in told.lines)


def test_what_lies_on_the_disk_has_neither(told: Told) -> None:
    assert found(told.files, of={**SECRETS, **WRITTEN}) == []
    assert told.made.encode() not in told.files, "keys are kept as HMACs"


def test_a_new_key_is_shown_once(told: Told) -> None:
    assert told.made.encode() in told.made_in
    for name, answer in told.answers:
        assert told.made.encode() not in whole(answer), name


Run = Callable[..., bytes]


@pytest.fixture(scope="module")
def run(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """``tollway`` with a configuration whose databases cannot be reached, whatever it prints."""
    folder = tmp_path_factory.mktemp("cli")
    path = folder / "tollway.json"
    path.write_text(
        json.dumps(
            {
                **config,
                "server": {"host": "127.0.0.1", "port": free_port()},
                "storage": {
                    "type": "postgres",
                    "url": f"postgresql://tollway:{canary('database')}@127.0.0.1:{free_port()}/x",
                    "pepper": SECRETS["pepper"] * 2,
                },
                "state": {"type": "redis", "url": f"redis://:{SECRETS['redis']}@127.0.0.1:{free_port()}/0"},
            }
        )
    )
    path.chmod(0o600)
    changed = folder / "changed.json"
    changed.write_text(path.read_text().replace(SECRETS["client"], canary("changed")).replace("1h", "2h"))
    changed.chmod(0o600)

    def ran(*arguments: str) -> bytes:
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "TOLLWAY_ADMIN_KEY": f"admin-{SECRETS['admin']}"}
        words = [{"CONFIG": str(path), "CHANGED": str(changed)}.get(word, word) for word in arguments]
        done = subprocess.run(
            [sys.executable, "-m", "proxy", *words], env=environ, capture_output=True, timeout=60, cwd=folder
        )
        return done.stdout + done.stderr

    return ran


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--config", "CONFIG"),
        ("check", "--config", "CONFIG", "--output", "json"),
        ("config", "show", "--config", "CONFIG"),
        ("config", "show", "--config", "CONFIG", "--origin"),
        ("config", "diff", "CONFIG", "CHANGED"),
        ("doctor", "--config", "CONFIG"),
        ("routes", "test", "two", "--config", "CONFIG"),
        ("serve", "--config", "CONFIG"),
        ("migrate", "db", "--config", "CONFIG"),
    ],
    ids=" ".join,
)
def test_no_command_prints_a_secret(run: Run, arguments: tuple[str, ...]) -> None:
    output = run(*arguments)
    assert len(output) > 40
    assert b"Usage:" not in output, "it did something"
    everywhere = {**SECRETS, "database": canary("database"), "changed": canary("changed")}
    assert found(output, of=everywhere) == [], output.decode()
