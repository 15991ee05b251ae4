"""Model names: lists per key, close names, wildcards, ``provider/model``, and keys limited to some of them."""

import json

import pytest

from tests.support.processes import KEY, Gateway, Mock

from .wire import CHAT, JSON, Answer, ask, chat, mark, one, received

pytestmark = pytest.mark.e2e


def named(origin: str, model: str, *, key: str = KEY, mark: tuple[str, str] | None = None) -> Answer:
    body = CHAT.replace(b'"gpt-4o"', json.dumps(model).encode())
    return chat(origin, body, headers=[mark] if mark else [], key=key)


def test_the_list_is_what_the_key_may_use(several: Gateway) -> None:
    def listed(key: str) -> list[str]:
        answer = ask(several.origin, "GET", "/v1/models", key=key)
        assert answer.json()["object"] == "list"
        for entry in answer.json()["data"]:
            assert (set(entry), entry["object"]) == ({"id", "object", "created", "owned_by"}, "model")
            assert isinstance(entry["created"], int)
        return sorted(entry["id"] for entry in answer.json()["data"])

    assert listed(KEY) == ["bridge", "road-long", "road-short"]
    assert listed("sk-tw-narrow") == ["road-long", "road-short"]


def test_one_model(several: Gateway) -> None:
    assert ask(several.origin, "GET", "/v1/models/road-long").json()["id"] == "road-long"
    for key, name in ((KEY, "road-lung"), ("sk-tw-narrow", "bridge")):
        answer = ask(several.origin, "GET", f"/v1/models/{name}", key=key)
        assert (answer.status, answer.error["code"]) == (404, "model_not_found")


def test_a_transparent_gateway_shows_the_providers_list(everything: Gateway, mock: Mock) -> None:
    assert ask(everything.origin, "GET", "/v1/models").body == ask(mock.origin, "GET", "/v1/models").body


def test_unknown_names_get_close_ones(several: Gateway, mock: Mock) -> None:
    marked = mark()
    answer = named(several.origin, "road-lang", mark=marked)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (404, "model_not_found", "model")
    assert "The model `road-lang` does not exist or you do not have access to it." in answer.error["message"]
    assert "road-long" in answer.error["message"]
    assert received(mock, marked) == []


def test_close_names_are_only_those_the_key_may_use(several: Gateway) -> None:
    unknown = named(several.origin, "bridg", key="sk-tw-narrow").error["message"]
    assert "bridge" not in unknown
    assert "bridge" in named(several.origin, "bridg").error["message"]


def test_a_forbidden_name_reads_like_an_unknown_one(several: Gateway, mock: Mock) -> None:
    marked = mark()
    forbidden = named(several.origin, "bridge", key="sk-tw-narrow", mark=marked)
    unknown = named(several.origin, "bridgx", key="sk-tw-narrow")
    assert forbidden.status == unknown.status == 404
    texts = [answer.error["message"].partition(" (request id")[0] for answer in (forbidden, unknown)]
    assert texts[0].replace("bridge", "X") == texts[1].replace("bridgx", "X")
    assert received(mock, marked) == []


def test_provider_slash_model(several: Gateway, mock: Mock) -> None:
    for model, sent, route in (("second/any:name/x", "any:name/x", "second/*"), ("mock/gpt-4o", "gpt-4o", "mock/*")):
        marked = mark()
        answer = named(several.origin, model, mark=marked)
        assert answer.status == 200
        assert (answer.get("x-tollway-route"), answer.get("x-tollway-model")) == (route, sent)
        assert answer.json()["model"] == sent
        assert one(mock, marked)["body_length"] == len(CHAT) - len("gpt-4o") + len(sent)
    assert named(several.origin, "mock/gpt-4o", key="sk-tw-narrow").status == 404
    assert named(several.origin, "second/gpt-4o", key="sk-tw-narrow").status == 200


def test_names_without_a_wildcard_route(several: Gateway, mock: Mock) -> None:
    for model in ("gpt-4o", "nobody/gpt-4o", "/gpt-4o", "mock/", "*", "", "x" * 10_000, "road-long\u0000", "ROAD-LONG"):
        marked = mark()
        answer = named(several.origin, model, mark=marked)
        assert (answer.status, answer.error["code"]) == (404, "model_not_found"), model[:20]
        assert len(answer.body) < 2000
        assert received(mock, marked) == []


def test_the_wildcard_sends_names_on_unchanged(gateway: Gateway, mock: Mock) -> None:
    for model in ("gpt-9-unheard-of", "ft:gpt-4o:acme::x", "acme/roadrunner-7b", "modèle 7"):
        marked = mark()
        answer = named(gateway.origin, model, mark=marked)
        assert (answer.status, answer.json()["model"]) == (200, model)
        assert answer.get("x-tollway-route") == "*"
        one(mock, marked)


def test_a_missing_model(gateway: Gateway, mock: Mock) -> None:
    for body in (b'{"messages":[]}', b'{"model":null,"messages":[]}'):
        marked = mark()
        answer = chat(gateway.origin, body, headers=[marked])
        assert (answer.status, answer.error["param"]) == (400, "model")
        assert received(mock, marked) == []


PATHS = [("GET", "/v1/files"), ("POST", "/v1/batches"), ("GET", "/v1/new/thing"), ("POST", "/v1/vector_stores")]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_limited_key_on_paths_without_a_model(several: Gateway, mock: Mock, method: str, path: str) -> None:
    body = b"{}" if method == "POST" else None
    marked = mark()
    answer = ask(several.origin, method, path, headers=[JSON, marked], body=body, key="sk-tw-narrow")
    assert (answer.status, answer.error["code"], answer.error["type"]) == (403, "permission_denied", "permission_error")
    assert received(mock, marked) == []
    for key in ("sk-tw-narrow-but", KEY):
        marked = mark()
        ask(several.origin, method, path, headers=[JSON, marked], body=body, key=key)
        one(mock, marked)


def test_a_model_on_an_unlisted_path_chooses_its_provider(several: Gateway, mock: Mock) -> None:
    marked = mark()
    body = b'{"model":"road-short","x":1}'
    ask(several.origin, "POST", "/v1/new/thing", headers=[JSON, marked], body=body)
    entry = one(mock, marked)
    assert ["authorization", "Bearer sk-second-credential"] in [
        [name.lower(), value] for name, value in entry["headers"]
    ]


def test_a_key_limited_to_models_gets_no_unlisted_paths(several: Gateway, mock: Mock) -> None:
    """What such a path does with the model it names is unknown, so naming an allowed one opens nothing."""
    marked = mark()
    body = b'{"model":"road-short","x":1}'
    answer = ask(several.origin, "POST", "/v1/new/thing", headers=[JSON, marked], body=body, key="sk-tw-narrow")
    assert (answer.status, answer.error["code"]) == (403, "permission_denied")
    assert received(mock, marked) == []


def test_token_counts(several: Gateway, mock: Mock) -> None:
    marked = mark()
    body = b'{"model":"road-long","messages":[{"role":"user","content":"hello world"}],"max_tokens":7}'
    answer = ask(several.origin, "POST", "/v1/tokens", headers=[JSON, marked], body=body)
    found = answer.json()
    assert answer.status == 200
    # 3 a request, 4 a message (with its role's token), 2 words
    assert (found["input_tokens"], found["source"], found["encoding"]) == (9, "counted", "o200k_base")
    assert found["max_output_tokens"] == 7
    assert found["model"] == "road-long"
    assert received(mock, marked) == []
    assert ask(several.origin, "POST", "/v1/tokens", headers=[JSON], body=b"{").status == 400
    assert ask(several.origin, "POST", "/v1/tokens", headers=[JSON], body=body, key="sk-wrong").status == 401
