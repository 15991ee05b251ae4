"""Nobody gets what another asked, however much it looks alike: with an embedder that finds everything the same, and thresholds that serve."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from proxy.cache.asking import CacheRules
from proxy.cache.keys import Keys
from proxy.context import Principal, RequestContext
from proxy.policy.caching import Cache, ExactCache, SemanticCache
from proxy.protocols import Question, Vector, Verdict
from proxy.semantic import guards
from proxy.semantic.embedders.patient import PatientEmbedder
from proxy.semantic.layer import SemanticLayer
from proxy.semantic.thresholds import EARLY, Thresholds
from proxy.semantic.vectors.memory import MemoryIndex
from tests.contract.vectors.made import Records
from tests.support.clock import FakeClock
from tests.unit.proxy.cache.asked import APP, asked, planned

SETTINGS = Cache(exact=ExactCache(), semantic=SemanticCache(enabled=True, threshold=0.5))
QUESTIONS = [f"How do I {verb} a {noun} in {place}?" for verb in ("fix", "buy", "paint", "sell", "move") for noun in
             ("bike", "boat", "door", "lamp") for place in ("Kenya", "Peru", "Spain", "Japan", "Oslo")]  # fmt: skip
PROBES = 10_000
PLAN = planned()
BEFORE = [{"role": "user", "content": "Is it far?"}, {"role": "assistant", "content": "It is 10 km from here."}]


class Alike:
    """Finds every text the same as any other."""

    name = "alike@1"

    def __init__(self) -> None:
        self.asked = 0

    async def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        self.asked += 1
        return [np.array([1.0, 0.0]) for _ in texts]

    async def close(self) -> None: ...


class Always(random.Random):
    """Draws that never ask for a comparison."""

    def random(self) -> float:
        return max(0.99, EARLY)


class Cached:
    """Keys and the semantic layer, as a gateway has them."""

    def __init__(self) -> None:
        self.embedder, records, clock = Alike(), Records(), FakeClock()
        self._keys = Keys(settings=SETTINGS, secret=lambda: b"s" * 32)
        self._rules = CacheRules(settings=SETTINGS)
        self.layer = SemanticLayer(
            settings=SETTINGS.semantic,
            index=MemoryIndex(max_entries=10_000, max_total=50_000, wall=clock, records=records),
            embedder=PatientEmbedder(self.embedder, records=records, clock=clock),
            guards=guards,
            thresholds=Thresholds(max_false_hits=0.01),
            same=lambda cached, fresh: None,
            records=records,
            clock=clock,
            rng=Always(),
        )

    def question(self, ctx: RequestContext) -> tuple[Question, bytes]:
        """What is asked, and its key."""
        wanted = self._rules.wanted(ctx)
        keyed = self._keys.keyed(ctx, wanted)
        found = self._keys.question(ctx, wanted, keyed)
        assert not isinstance(found, str), found
        return found, keyed.key

    async def find(self, ctx: RequestContext) -> Verdict:
        """As for a request that was not stored."""
        return await self.layer.find(self.question(ctx)[0])

    def remember(self, ctx: RequestContext) -> None:
        """Its answer was stored."""
        self.layer.remember(*self.question(ctx), expires=1e9)


def body(text: object, before: Sequence[dict[str, Any]] = (), **fields: Any) -> dict[str, Any]:
    """A chat request."""
    return {"model": "fast", "messages": [*before, {"role": "user", "content": text}], **fields}


@pytest.fixture
def cached() -> Cached:
    """In which the tenant ``acme`` has asked much, alone and in a conversation."""
    found = Cached()
    for text in QUESTIONS:
        found.remember(asked(body(text), plan=PLAN))
        found.remember(asked(body(text, BEFORE), plan=PLAN))
    return found


async def test_its_own_tenant_is_served(cached: Cached) -> None:
    verdict = await cached.find(
        asked(body(f"Could you please tell me: {QUESTIONS[0]}".replace(": H", " h")), plan=PLAN)
    )
    assert (verdict.kind, verdict.similarity) == ("hit", 1.0)


def near_duplicates(rng: random.Random) -> Iterator[str]:
    """The very questions, and what differs by a little."""
    changes: tuple[Callable[[str], str], ...] = (
        str,
        str.lower,
        lambda text: f"Please, {text[0].lower()}{text[1:]}",
        lambda text: text.rstrip("?"),
        lambda text: text.replace("do I", "can I"),
        lambda text: f"  {text}\n",
        lambda text: f"{text} Thanks!",
        lambda text: f"tenant acme, account acme, key k1: {text}",
    )
    while True:
        yield rng.choice(changes)(rng.choice(QUESTIONS))


OTHERS = [
    Principal(name="other", tenant="other", account="other", key="k2"),
    Principal(name="app", tenant="acme", account="acme", key="k2"),
    Principal(name="app", tenant="acme2", account="acme2", key="k1"),
    Principal(name="acme", tenant="app", account="app", key="k1"),
    Principal(name="appk1", tenant="acme", account="acme", key=""),
    Principal(name="app", tenant="acme", forwarded=b"sk-somebody"),
    Principal(name="app", tenant="acme"),
]


async def test_ten_thousand_near_duplicates_of_others_find_nothing(cached: Cached) -> None:
    texts, spent = near_duplicates(random.Random(1)), cached.embedder.asked
    for number in range(PROBES):
        other = OTHERS[number % len(OTHERS)]
        headers = [(b"x-tollway-cache-namespace", b"acme")] if number % 3 == 0 else []
        verdict = await cached.find(asked(body(next(texts)), plan=PLAN, principal=other, headers=headers))
        assert verdict.reason == "empty", (other, verdict)
    assert cached.embedder.asked == spent, "nothing of another's is even compared"


def changed(number: int) -> list[dict[str, Any]]:
    """The conversation with one character more, somewhere in it."""
    turn, content = BEFORE[number % 2], str(BEFORE[number % 2]["content"])
    at = number // 2 % (len(content) + 1)
    other = {**turn, "content": content[:at] + random.Random(number).choice(" x\u200b.0") + content[at:]}
    return [other if each is turn else each for each in BEFORE]


async def test_a_conversation_that_differs_in_one_character_is_another(cached: Cached) -> None:
    assert (await cached.find(asked(body(QUESTIONS[0], BEFORE), plan=PLAN))).kind == "hit"
    for number in range(200):
        assert (await cached.find(asked(body(QUESTIONS[0], changed(number)), plan=PLAN))).reason == "empty"


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

OTHERWISE: dict[str, RequestContext] = {
    "tools": asked(body(QUESTIONS[0], tools=[TOOL]), plan=PLAN),
    "temperature": asked(body(QUESTIONS[0], temperature=0.2), plan=PLAN),
    "seed": asked(body(QUESTIONS[0], seed=1), plan=PLAN),
    "format": asked(body(QUESTIONS[0], response_format={"type": "json_object"}), plan=PLAN),
    "limit": asked(body(QUESTIONS[0], max_tokens=5), plan=PLAN),
    "a field nobody knows": asked(body(QUESTIONS[0], novelty=True), plan=PLAN),
    "system prompt": asked(body(QUESTIONS[0], [{"role": "system", "content": "Be brief."}]), plan=PLAN),
    "empty system prompt": asked(body(QUESTIONS[0], [{"role": "system", "content": ""}]), plan=PLAN),
    "the speaker's name": asked(
        {"model": "fast", "messages": [{"role": "user", "name": "a", "content": QUESTIONS[0]}]}, plan=PLAN
    ),
    "in parts": asked(body([{"type": "text", "text": QUESTIONS[0]}]), plan=PLAN),
    "route": asked(body(QUESTIONS[0]), plan=structs.replace(PLAN, route=structs.replace(PLAN.route, label="slow"))),
    "targets": asked(body(QUESTIONS[0]), plan=planned("own/large")),
    "namespace": asked(body(QUESTIONS[0]), plan=PLAN, headers=[(b"x-tollway-cache-namespace", b"a")]),
    "beta header": asked(body(QUESTIONS[0]), plan=PLAN, headers=[(b"openai-beta", b"a")]),
    "query": asked(body(QUESTIONS[0]), plan=PLAN, query=b"a=b"),
    "cap of the key": asked(body(QUESTIONS[0]), plan=PLAN, principal=structs.replace(APP, output_cap=5)),
}


@pytest.mark.parametrize("name", OTHERWISE)
async def test_whatever_shapes_an_answer_parts(cached: Cached, name: str) -> None:
    assert (await cached.find(OTHERWISE[name])).reason == "empty"
