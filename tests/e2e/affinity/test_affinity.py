"""Follow-ups return to the place that made what they continue: one gateway, two upstreams, one of them with two keys."""

import base64
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes import Gateway, Mock, config_for
from tests.support.rawhttp import eventually

KEYS = [{"name": "acme", "key": "sk-tw-acme"}, {"name": "blue", "key": "sk-tw-blue"}]
PLACES = {("one", "sk-one-a"), ("one", "sk-one-b"), ("two", "sk-two")}
RESTS = 2.0
"""Seconds for which an upstream asks to be left alone."""

RESET = 20
"""Seconds until its limits are whole again, as it says beside that."""

pytestmark = pytest.mark.e2e

Place = tuple[str, str]
"""Upstream and key."""


class World:
    """The gateway and what its upstreams saw."""

    def __init__(self, folder: Path) -> None:
        self.mocks = {"one": Mock(), "two": Mock()}
        one, two = self.mocks["one"].url, self.mocks["two"].url
        self.config = config_for(
            one,
            keys=KEYS,
            providers={
                "one": {"use": "openai", "base_url": one, "api_keys": ["sk-one-a", "sk-one-b"]},
                "two": {"use": "openai", "base_url": two, "api_key": "sk-two"},
                "claude": {
                    "use": "anthropic",
                    "base_url": self.mocks["one"].origin,
                    "api_keys": ["sk-claude-a", "sk-claude-b"],
                },
            },
            models={
                "fast": {
                    "policy": "weighted",
                    "targets": [{"provider": "one", "model": "gpt-4o"}, {"provider": "two", "model": "gpt-4o"}],
                    "hedge": {"after": 0.2},
                    "fallbacks": ["spare"],
                },
                "spare": {"targets": [{"provider": "two", "model": "gpt-4o-mini"}]},
                "mixed": {
                    "policy": "weighted",
                    "targets": [
                        {"provider": "claude", "model": "claude-sonnet-4-5"},
                        {"provider": "two", "model": "gpt-4o"},
                    ],
                },
            },
            passthrough={"provider": "one"},
            health={},
            retry={"attempts": 3, "base": 0.01},
            storage={"type": "sqlite", "path": str(folder / "tollway.db")},
        )
        self.gateway = Gateway(self.config)
        self.number = 0

    def restart(self) -> None:
        assert self.gateway.terminate() == 0
        self.gateway.close()
        self.gateway = Gateway(self.config)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        who: str = "acme",
        headers: Mapping[str, str] = {},
        **rest: Any,
    ) -> tuple[httpx.Response, list[Place]]:
        """The answer, and where the request went, each try."""
        self.number += 1
        mark = f"ask-{self.number}"
        sent = {"authorization": f"Bearer sk-tw-{who}", "x-test-mark": mark, **headers}
        url = self.gateway.url + path
        if body is not None:
            rest["json"] = body
        answer = httpx.request(method, url, headers=sent, timeout=20, **rest)
        return answer, self.seen(mark)

    def seen(self, mark: str) -> list[Place]:
        """By the header, or where another dialect is spoken upstream by a text in the body."""
        found = []
        for name, mock in self.mocks.items():
            for entry in mock.requests(20):
                headers = dict(entry["headers"])
                if headers.get("x-test-mark") == mark or mark.encode() in base64.b64decode(entry["body_base64"] or ""):
                    key = headers.get("authorization", "").removeprefix("Bearer ") or headers.get("x-api-key", "")
                    found.append((name, key))
        return found

    def respond(self, text: str, **members: object) -> tuple[str, Place]:
        answer, places = self.ask("POST", "/responses", {"model": "fast", "input": text, **members})
        assert answer.status_code == 200, answer.text
        return answer.json()["id"], places[0]

    def made_at(self, place: Place) -> str:
        """A response that was made there."""
        for number in range(200):
            ident, found = self.respond(f"for {place}, try {number} {time.time()}")
            if found == place:
                return ident
        raise AssertionError(f"nothing was made at {place}")

    def close(self) -> None:
        for process in (self.gateway, *self.mocks.values()):
            process.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = World(tmp_path_factory.mktemp("affinity"))
    yield found
    found.close()


def test_follow_ups_return_wherever_they_were_made(world: World) -> None:
    made = {place: ident for ident, place in (world.respond(f"number {number}") for number in range(30))}
    assert set(made) == PLACES
    for place, ident in made.items():
        for method, path, body in (
            ("POST", "/responses", {"model": "fast", "input": "and then?", "previous_response_id": ident}),
            (
                "POST",
                "/responses",
                {"model": "fast", "input": "and then?", "previous_response_id": ident, "stream": True},
            ),
            ("GET", f"/responses/{ident}", None),
            ("GET", f"/responses/{ident}/input_items", None),
            ("DELETE", f"/responses/{ident}", None),
        ):
            answer, places = world.ask(method, path, body)
            assert (answer.status_code, places) == (200, [place]), (method, path, answer.text)


def test_a_stream_hands_out_ids_with_their_place(world: World) -> None:
    for number in range(6):
        answer, (place,) = world.ask(
            "POST", "/responses", {"model": "fast", "input": f"stream {number}", "stream": True}
        )
        event = next(json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {"))
        _, places = world.ask("GET", f"/responses/{event['response']['id']}")
        assert places == [place]


def test_files_and_what_is_made_of_them_stay_with_one_key(world: World) -> None:
    made: dict[Place, str] = {}
    for number in range(40):
        line = json.dumps(
            {"custom_id": "1", "method": "POST", "url": "/v1/responses", "body": {"model": "gpt-4o", "input": "x"}}
        )
        answer, (place,) = world.ask(
            "POST", "/files", files={"file": (f"{number}.jsonl", line.encode())}, data={"purpose": "batch"}
        )
        made[place] = answer.json()["id"]
        if len(made) == 2:
            break
    assert set(made) == {("one", "sk-one-a"), ("one", "sk-one-b")}
    for place, ident in made.items():
        for method, path in (("GET", f"/files/{ident}"), ("GET", f"/files/{ident}/content")):
            answer, places = world.ask(method, path)
            assert (answer.status_code, places) == (200, [place])
        batch = {"input_file_id": ident, "endpoint": "/v1/responses", "completion_window": "24h"}
        answer, places = world.ask("POST", "/batches", batch)
        assert (answer.status_code, places) == (200, [place]), answer.text
        answer, places = world.ask("GET", f"/batches/{answer.json()['id']}")
        assert (answer.status_code, places) == (200, [place])
    answer, places = world.ask("POST", "/vector_stores", {"file_ids": list(made.values())})
    assert (answer.status_code, answer.json()["error"]["code"], places) == (400, "objects_apart", [])
    assert "one#0" in answer.text
    assert "one#1" in answer.text


def test_anothers_object_is_not_found_wherever_it_is(world: World) -> None:
    for place in PLACES:
        ident = world.made_at(place)
        answer, places = world.ask("GET", f"/responses/{ident}", who="blue")
        assert (answer.status_code, places) == (404, [])


@pytest.mark.parametrize("place", [("one", "sk-one-b"), ("two", "sk-two")])
async def test_while_its_place_rests_a_follow_up_is_refused_and_goes_nowhere_else(world: World, place: Place) -> None:
    ident = world.made_at(place)
    follow = {"model": "fast", "input": "and then?", "previous_response_id": ident}
    resting = {"x-mock-fault": f"rate-limit:seconds={RESTS:g}", "x-tollway-retries": "0"}
    _, places = world.ask("POST", "/responses", follow, headers=resting)
    rests_until = time.monotonic() + RESTS
    assert set(places) == {place}
    answer, places = world.ask("POST", "/responses", follow)
    if time.monotonic() < rests_until:
        assert (answer.status_code, answer.json()["error"]["code"], places) == (503, "no_healthy_upstream", [])
        assert 1 <= int(answer.headers["retry-after"]) <= RESET
        assert place[0] in answer.json()["error"]["message"]
        free, elsewhere = world.ask("POST", "/responses", {"model": "fast", "input": f"free {place}"})
        assert free.status_code == 200
        assert place not in elsewhere or time.monotonic() >= rests_until

    def answered() -> bool:
        answer, places = world.ask("POST", "/responses", follow)
        assert set(places) <= {place}
        return answer.status_code == 200

    await eventually(answered, 10.0, every=0.1)


def test_no_fault_and_no_delay_sends_it_elsewhere(world: World) -> None:
    for place in sorted(PLACES):
        follow = {"model": "fast", "input": "and then?", "previous_response_id": world.made_at(place), "stream": True}
        for fault in ("status:500", "sse-error:0"):
            _, places = world.ask("POST", "/responses", follow, headers={"x-mock-fault": fault})
            assert set(places) == {place}, fault
        answer, places = world.ask("POST", "/responses", follow, headers={"x-mock-first-token": "600"})
        assert (answer.status_code, places) == (200, [place])


def test_sealed_texts_go_back_to_their_maker(world: World) -> None:
    made: dict[Place, object] = {}
    for number in range(60):
        answer, (place,) = world.ask("POST", "/responses/compact", {"model": "fast", "input": f"to be sealed {number}"})
        assert answer.status_code == 200, answer.text
        made[place] = [item for item in answer.json()["output"] if item["type"] == "compaction"]
        if len(made) == len(PLACES):
            break
    assert set(made) == PLACES
    for place, items in made.items():
        for _ in range(4):
            _, places = world.ask("POST", "/responses", {"model": "fast", "input": items})
            assert places == [place]
    (one, two) = [made["one", "sk-one-a"], made["two", "sk-two"]]
    answer, places = world.ask("POST", "/responses", {"model": "fast", "input": [*one, *two]})  # type: ignore[misc]
    assert (answer.status_code, answer.json()["error"]["code"], places) == (400, "objects_apart", [])


def thought_in(said: str) -> dict[str, str]:
    """The thinking block of a message, whole or streamed."""
    if said.startswith("{"):
        block: dict[str, str] = json.loads(said)["content"][0]
        return block
    deltas = [json.loads(line[6:]).get("delta", {}) for line in said.splitlines() if line.startswith("data: {")]
    text, signature = ("".join(delta.get(name, "") for delta in deltas) for name in ("thinking", "signature"))
    return {"type": "thinking", "thinking": text, "signature": signature}


@pytest.mark.parametrize("stream", [False, True])
def test_signed_thoughts_go_back_to_their_provider_with_any_of_its_keys(world: World, stream: bool) -> None:
    asked = {"model": "mixed", "max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}

    def keys(text: str, *history: object) -> tuple[str, list[str]]:
        messages = [*history, {"role": "user", "content": text}]
        body = {**asked, "messages": messages, "system": text * 50, "stream": stream}
        answer, _ = world.ask("POST", "/messages", body, headers={"anthropic-version": "2023-06-01"})
        assert answer.status_code == 200, answer.text
        return answer.text, [key for _, key in world.seen(text)]

    for number in range(60):
        said, (key,) = keys(f"think-{number}-{stream}")
        if key.startswith("sk-claude"):
            break
    history = {"role": "assistant", "content": [thought_in(said), {"type": "text", "text": "So."}]}
    used = {
        key
        for number in range(12)
        for key in keys(f"then-{number}-{stream}", {"role": "user", "content": "?"}, history)[1]
    }
    assert used == {"sk-claude-a", "sk-claude-b"}


def test_places_outlive_a_restart(world: World) -> None:
    made = {place: world.made_at(place) for place in PLACES}
    world.restart()
    for place, ident in made.items():
        answer, places = world.ask("GET", f"/responses/{ident}")
        assert (answer.status_code, places) == (200, [place])
