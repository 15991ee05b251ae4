"""A gateway that never counts exactly never loads the tables of tokens, nor the engine: they come with the first count, or, so as to be
there when it comes, with the first stream that has a limit of tokens."""

import http.client
import json
from pathlib import Path

from loadtest.bench import meter
from loadtest.bench.load import Load
from loadtest.bench.servers import API_KEY, Cores, Server
from loadtest.compare.bodies import chat
from loadtest.scale.box import Box, Setting, box

LEAST_MB = 30
"""That the tables take."""


def engine_loaded(each: Box) -> bool:
    """Has any process of the gateway mapped the engine?"""
    return any("_tiktoken" in Path(f"/proc/{pid}/maps").read_text() for pid in meter.tree(each.server.pid))


def asked(each: Box, path: str, body: bytes) -> dict[str, object]:
    """The answer to a POST."""
    line = http.client.HTTPConnection("127.0.0.1", each.server.port, timeout=10)
    headers = {"authorization": f"Bearer {API_KEY}", "content-type": "application/json"}
    try:
        line.request("POST", path, body, headers)
        answer = line.getresponse()
        found: dict[str, object] = json.loads(answer.read())
        assert answer.status == 200, found
        return found
    finally:
        line.close()


def test_the_tables_come_with_the_first_exact_count(cores: Cores, folder: Path, upstream: Server) -> None:
    body = folder / "ranks.json"
    body.write_bytes(chat())
    with box(cores, folder, Setting(), upstream=upstream.port) as each:
        each.measured(Load(body, connections=4, seconds=0.3, warmup=0))
        assert not engine_loaded(each)
        before = meter.memory(each.server.pid).pss
        found = asked(each, "/v1/tokens", b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hello, world!"}]}')
        assert (found["input_tokens"], found["source"]) == (11, "counted")
        assert engine_loaded(each)
        assert meter.memory(each.server.pid).pss - before > LEAST_MB * 1e6
