"""What the tests of the semantic cache ask, and an embedder that does as it is told."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

from tests.support.processes import KEY, Gateway
from tests.support.rawhttp import Answer, ask, request

ADMIN_KEY = "an admin key of a test"
OTHER_KEY, SISTER_KEY, SHY_KEY, KEEN_KEY = (
    f"sk-tw-{name}-key-of-a-test" for name in ("other", "sister", "shy", "keen")
)

PARAPHRASES = (
    ("What is the capital of France?", "Could you please tell me what the capital of France is?"),
    ("How do I convert a PDF to Word?", "How can I convert a PDF to Word?"),
    ("Why is the sky blue?", "Hi! Can you tell me why the sky is blue?"),
    ("How do I sort a list in Python?", "how can I sort a list in Python, please"),
    ("What is the largest lake in Africa?", "what's the largest lake in Africa"),
    ("How do I quit vim?", "Quick question: how do I quit vim?"),
    ("What are the advantages of solar power?", "Could you tell me what the advantages of solar power are?"),
    ("How do whales sleep?", "Could you please tell me how whales sleep? Thanks!"),
)
"""Asked first, and asked again in other words."""

DIMENSIONS = 1536


def tag() -> str:
    """A system prompt of one's own: a partition that nobody has asked in."""
    return f"You answer briefly, never in JSON. {uuid.uuid4().hex}"


async def asked(
    gateway: Gateway,
    text: str,
    system: str,
    *,
    key: str = KEY,
    before: tuple[dict[str, Any], ...] = (),
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> Answer:
    """One chat request."""
    turns = [{"role": "system", "content": system}, *before, {"role": "user", "content": text}]
    body = json.dumps({"model": "gpt-4o", "messages": turns, **fields}).encode()
    answer = await ask(gateway.port, request("POST", "/v1/chat/completions", body, key=key, headers=headers))
    assert answer.status == 200, answer.body
    return answer


def kind(answer: Answer) -> str | None:
    """Of what the cache did."""
    return answer.header("x-tollway-cache")


async def stored(gateway: Gateway, text: str, system: str, **how: Any) -> Answer:
    """Asks until the answer is there, which is a moment after it has left."""
    deadline = time.monotonic() + 5.0
    while kind(answer := await asked(gateway, text, system, **how)) != "hit":
        assert time.monotonic() < deadline, answer.headers
    return answer


async def alike(
    gateway: Gateway, *, asker: Gateway | None = None, first: dict[str, Any] | None = None, **how: Any
) -> Answer:
    """A semantic hit. One in five is asked anew instead, to compare: then other words, in another partition, have their turn."""
    found = []
    for one, other in PARAPHRASES:
        system = tag()
        await stored(gateway, one, system, **(how if first is None else first))
        answer = await asked(asker or gateway, other, system, **how)
        if kind(answer) == "semantic-hit":
            return answer
        found.append(answer.header("x-tollway-cache-reason"))
    raise AssertionError(found)


async def never_alike(gateway: Gateway, first: dict[str, Any], then: dict[str, Any], times: int = 3) -> str | None:
    """Some paraphrases, of which none may be a hit. Returns why the last was not."""
    answer = None
    for one, other in PARAPHRASES[:times]:
        system = tag()
        await stored(gateway, one, system, **first)
        answer = await asked(
            gateway, other, then.get("system", system), **{k: v for k, v in then.items() if k != "system"}
        )
        assert kind(answer) in ("miss", "disabled"), answer.headers
        assert answer.header("x-tollway-cache-similarity") is None, "it was compared"
    assert answer is not None
    return answer.header("x-tollway-cache-reason")


def administered(gateway: Gateway, path: str, body: object = None) -> dict[str, Any]:
    """An answer of the admin API."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    with urlopen(Request(f"{gateway.origin}/admin/v1{path}", data, headers), timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


COURTEOUS = frozenset(
    "could you please tell me what the is how do i can hi why question quick thanks are of a in to what's".split()
)
"""Words that hardly count."""


def vector(text: str) -> list[float]:
    """Points where the text's own words point."""
    numbers = [0.0] * DIMENSIONS
    for word in text.lower().split():
        plain = word.strip("?,.!:")
        numbers[hash_of(plain) % DIMENSIONS] += 0.05 if plain in COURTEOUS else 1.0
    return numbers


def hash_of(word: str) -> int:
    """The same in every process."""
    return int.from_bytes(word.encode()[:8], "big") * 2654435761 % 4294967296


Reply = Callable[[list[str]], bytes | int]
"""Texts to a body, or to the status of an error."""


def listed(vectors: list[Any]) -> bytes:
    """An answer of ``/v1/embeddings``."""
    rows = [{"object": "embedding", "index": at, "embedding": found} for at, found in enumerate(vectors)]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return json.dumps({"object": "list", "data": rows, "model": "m", "usage": usage}).encode()


def honest(texts: list[str]) -> bytes:
    """What should be answered."""
    return listed([vector(text) for text in texts])


class Liar:
    """An embeddings API on loopback: ``reply`` says what it answers at ``url``, ``asked`` how often; at ``honest`` it always is."""

    def __init__(self) -> None:
        self.reply: Reply = honest
        self.asked = 0
        self.hangs = threading.Event()
        """Set: it answers at once."""
        self.hangs.set()
        liar = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                given = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
                reply: bytes | int = honest(given)
                if not self.path.startswith("/honest"):
                    liar.asked += 1
                    liar.hangs.wait(20)
                    reply = liar.reply(given)
                body = reply if isinstance(reply, bytes) else b'{"error": {"message": "no"}}'
                self.send_response(200 if isinstance(reply, bytes) else reply)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                with suppress(OSError):
                    self.end_headers()
                    self.wfile.write(body)
                    return
                self.close_connection = True  # nobody waits any more

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.url, self.honest = f"{origin}/v1", f"{origin}/honest/v1"


@contextmanager
def lying() -> Iterator[Liar]:
    """One, running."""
    found = Liar()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.hangs.set()
        found.server.shutdown()
        found.server.server_close()
        thread.join(5)
