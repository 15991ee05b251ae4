"""The surface: four names for it, four places for a key, and what is said about paths that are not on it."""

import pytest

from tests.support.processes import KEY, Gateway, Mock

from .wire import CHAT, JSON, ask, chat, mark, one, received, values_of

pytestmark = pytest.mark.e2e

PREFIXES = ["/v1", "/openai/v1", "/openai", ""]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/chat/completions"), ("GET", "/files/file-1"), ("GET", "/models/gpt-4o"), ("GET", "/batches?limit=2")],
)
def test_four_prefixes_one_surface(everything: Gateway, mock: Mock, prefix: str, method: str, path: str) -> None:
    marked = mark()
    body = CHAT if method == "POST" else None
    answer = ask(everything.origin, method, prefix + path, headers=[JSON, marked], body=body)
    assert answer.status in (200, 404)
    entry = one(mock, marked)
    assert (entry["method"], entry["path"]) == (method, "/v1" + path)


@pytest.mark.parametrize(
    "header", ["Authorization: Bearer {}", "authorization: bearer {}", "AUTHORIZATION: BEARER   {}", "X-Api-Key: {}", "api-key: {}", "X-Goog-Api-Key: {}"]
)  # fmt: skip
@pytest.mark.parametrize("key", [KEY, "a key with  spaces"])
def test_where_a_key_may_stand(several: Gateway, mock: Mock, header: str, key: str) -> None:
    marked = mark()
    name, _, value = header.format(key).partition(": ")
    body = CHAT.replace(b"gpt-4o", b"bridge")
    assert chat(several.origin, body, headers=[(name, value), marked], key=None).status == 200
    entry = one(mock, marked)
    assert values_of(entry, "authorization") == ["Bearer sk-upstream-credential"]
    assert not {name.lower() for name, _ in entry["headers"]} & {"x-api-key", "api-key", "x-goog-api-key"}


def test_a_placeholder_in_one_header_does_not_hide_the_key_in_another(gateway: Gateway) -> None:
    headers = [("authorization", "Bearer dummy"), ("x-api-key", KEY)]
    assert chat(gateway.origin, headers=headers, key=None).status == 200


@pytest.mark.parametrize(
    "header",
    [None, ("authorization", "Bearer"), ("authorization", "Basic c2s6"), ("authorization", f"Bearer {KEY}x"),
     ("authorization", f"Bearer {KEY[:-1]}"), ("x-api-key", KEY.upper()), ("cookie", f"authorization={KEY}")],
)  # fmt: skip
def test_without_a_known_key(gateway: Gateway, mock: Mock, header: tuple[str, str] | None) -> None:
    marked = mark()
    answer = chat(gateway.origin, headers=[marked, *([header] if header else [])], key=None)
    assert (answer.status, answer.error["code"], answer.error["type"]) == (401, "invalid_api_key", "invalid_request_error")  # fmt: skip
    assert answer.get("x-should-retry") == "false"
    assert answer.get("x-request-id")
    assert received(mock, marked) == []


def test_a_key_in_the_query_is_no_key(gateway: Gateway) -> None:
    assert ask(gateway.origin, "GET", f"/v1/files?key={KEY}&api_key={KEY}", key=None).status == 401


@pytest.mark.parametrize("slashed", ["", "/"])
def test_providers_base_urls_with_and_without_v1(several: Gateway, mock: Mock, slashed: str) -> None:
    """``mock`` is configured with ``/v1``, ``second`` without: both are asked under ``/v1``."""
    for model, credential in (("road-long", "sk-upstream-credential"), ("road-short", "sk-second-credential")):
        marked = mark()
        assert chat(several.origin, CHAT.replace(b"gpt-4o", model.encode()), headers=[marked]).status == 200
        entry = one(mock, marked)
        assert entry["path"] == "/v1/chat/completions"
        assert values_of(entry, "authorization") == [f"Bearer {credential}"]


@pytest.mark.parametrize("path", ["/v1/new/thing", "/openai/v1/new/thing", "/openai/new/thing"])
def test_unknown_paths_under_a_prefix_are_carried(gateway: Gateway, mock: Mock, path: str) -> None:
    marked = mark()
    answer = ask(gateway.origin, "POST", f"{path}?a=%20", headers=[JSON, marked], body=b'{"x": 1}')
    assert one(mock, marked)["path"] == "/v1/new/thing?a=%20"
    assert (answer.status, answer.error["message"]) == (404, "Invalid URL (POST /v1/new/thing)")
    assert answer.get("x-tollway-error-source") == "upstream"


REFUSED = [
    ("GET", "/", ""),
    ("GET", "/favicon.ico", ""),
    ("POST", "/new/thing", ""),
    ("GET", "/v2/models", ""),
    ("POST", "/v1/v1/chat/completions", "twice"),
    ("POST", "/openai/v1/v1/chat/completions", "twice"),
    ("POST", "/v1/chat/completions/", "trailing slash"),
    ("GET", "/v1/files/", "trailing slash"),
    ("GET", "/v1/../admin", ""),
    ("GET", "/v1/%2e%2e/admin", ""),
    ("GET", "/v1/files/..%2f..%2fadmin", ""),
    ("GET", "/v1//files", ""),
    ("GET", "/v1/files%00", ""),
    ("GET", "/v1/a%0d%0ab", ""),
    ("GET", "/v1/" + "x" * 5000, ""),
]


@pytest.mark.parametrize(("method", "path", "words"), REFUSED, ids=[f"{m} {p[:40]}" for m, p, _ in REFUSED])
def test_paths_that_are_not_on_the_surface(gateway: Gateway, mock: Mock, method: str, path: str, words: str) -> None:
    marked = mark()
    body = CHAT if method == "POST" else None
    answer = ask(gateway.origin, method, path, headers=[JSON, marked], body=body)
    assert answer.status == 404
    assert answer.error["type"] == "invalid_request_error"
    assert "Invalid URL" in answer.error["message"]
    assert words in answer.error["message"]
    assert path[:100] in answer.error["message"]
    assert received(mock, marked) == []


def test_methods_that_a_known_path_lacks(gateway: Gateway, mock: Mock) -> None:
    """They are carried: the provider knows what it serves (GET lists stored chats), and says 405 where it does not."""
    assert ask(gateway.origin, "GET", "/v1/chat/completions").status == 200
    assert ask(gateway.origin, "GET", "/v1/embeddings").status == 405
    for method in ("TRACE", "BREW"):
        answer = ask(gateway.origin, method, "/v1/files")
        assert 400 <= answer.status < 500


@pytest.mark.parametrize(
    "path", ["/v1/organization/users", "/v1/projects/p1", "/organization/costs", "/openai/v1/organization/x"]
)
def test_account_administration(gateway: Gateway, everything: Gateway, mock: Mock, path: str) -> None:
    marked = mark()
    answer = ask(gateway.origin, "GET", path, headers=[marked])
    assert answer.status in (403, 404)
    assert "passthrough.admin" in answer.error["message"]
    assert received(mock, marked) == []
    ask(everything.origin, "GET", path, headers=[marked])
    assert one(mock, marked)["path"].startswith("/v1/")


@pytest.mark.parametrize(
    "path", ["/v1/%6frganization/users", "/v1/ORGANIZATION/users", "/v1/./organization/x", "/v1/organization%2fusers"]
)
def test_account_administration_in_disguise(gateway: Gateway, mock: Mock, path: str) -> None:
    marked = mark()
    answer = ask(gateway.origin, "GET", path, headers=[marked])
    travelled = [entry["path"].lower() for entry in received(mock, marked)]
    assert travelled == []
    assert answer.status in (403, 404)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/metrics"])
def test_probes_need_no_key(gateway: Gateway, path: str) -> None:
    assert ask(gateway.origin, "GET", path, key=None).status == 200


def test_destinations_are_never_the_clients_choice(gateway: Gateway, mock: Mock) -> None:
    for name in ("api_base", "base_url", "api_key", "api_type", "custom_llm_provider"):
        marked = mark()
        body = CHAT[:-1] + f',"{name}":"http://127.0.0.1:9/v1"}}'.encode()
        answer = chat(gateway.origin, body, headers=[marked])
        assert answer.status == 400, name
        assert received(mock, marked) == []
    for header in ("x-upstream-url", "x-base-url", "helicone-target-url", "x-forwarded-host"):
        marked = mark()
        assert chat(gateway.origin, headers=[marked, (header, "http://127.0.0.1:9")]).status == 200
        assert one(mock, marked)
    marked = mark()
    assert chat(gateway.origin, headers=[marked, ("host", "127.0.0.1:9")]).status == 200
    assert values_of(one(mock, marked), "host") == [mock.origin.removeprefix("http://")]


def test_absolute_form_targets_do_not_choose_the_host(gateway: Gateway, mock: Mock) -> None:
    marked = mark()
    answer = ask(gateway.origin, "GET", "http://127.0.0.1:9/v1/files", headers=[marked])
    assert answer.status in (200, 400, 404)
    assert [values_of(entry, "host") for entry in received(mock, marked)] in (
        [],
        [[mock.origin.removeprefix("http://")]],
    )
