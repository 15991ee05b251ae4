"""The same commands against a gateway far away: a real port, the admin key, and everything that can be wrong on the way."""

import socket
import threading
from collections.abc import Iterator

import pytest

from proxy.cli.admin_remote import Remote

from .conftest import ADMIN_KEY, Run, told
from .test_admin_commands import fix


@pytest.fixture
def far(served: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TOLLWAY_ADMIN_URL", served)
    monkeypatch.setenv("TOLLWAY_ADMIN_KEY", ADMIN_KEY)
    return served


@pytest.mark.usefixtures("far")
def test_commands_work_from_afar(run: Run) -> None:
    made = told(run("accounts", "create", "acme & söhne", "--limits", "rpm=5", "-o", "json"))
    assert told(run("accounts", "show", "acme & söhne", "-o", "json")) == made
    key = told(run("keys", "create", "app", "-a", made["id"], "-o", "json"))
    assert key["key"].startswith("sk-tw-")
    run("credits", "add", made["id"], "5")
    assert told(run("credits", "balance", made["id"], "-o", "json"))["balance"] == "5.00"
    assert told(run("keys", "revoke", "app", "-o", "json"))["status"] == "revoked"
    assert "acme & söhne" in run("accounts", "list").stdout
    run("usage")


def test_far_and_near_see_the_same(run: Run, far: str) -> None:
    run("accounts", "create", "from afar")
    assert "from afar" in run("accounts", "list", "--config", "tollway.yaml").stdout
    run("accounts", "create", "from near", "--config", "tollway.yaml")
    assert "from near" in run("accounts", "list", "--url", far + "/admin/v1/").stdout


@pytest.mark.usefixtures("far")
def test_refusals_from_afar_keep_the_request_id(run: Run) -> None:
    said, mend = fix(run("accounts", "show", "nobody", exits=1))
    assert "request id: " in said
    assert "tollway accounts list" in mend


def test_wrong_and_missing_keys(run: Run, served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said, mend = fix(run("accounts", "list", "--url", served, exits=1))
    assert "no admin key" in said
    assert "TOLLWAY_ADMIN_KEY" in mend
    monkeypatch.setenv("TOLLWAY_ADMIN_KEY", "wrong")
    said, mend = fix(run("accounts", "list", "--url", served, exits=1))
    assert "not the admin key" in said
    assert "TOLLWAY_ADMIN_KEY" in mend
    monkeypatch.setenv("TOLLWAY_ADMIN_KEY", "one\ntwo")
    said, mend = fix(run("accounts", "list", "--url", served, exits=1))
    assert "cannot be sent" in said
    assert "line breaks" in mend


@pytest.fixture
def strange() -> Iterator[tuple[str, list[bytes]]]:
    """A port that answers every connection with the same bytes."""
    listener = socket.create_server(("127.0.0.1", 0))
    answers = [b""]

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                if answers[0]:
                    connection.sendall(answers[0])

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", answers
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "broke off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "is not Tollway's admin API (status 200)"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}", "is not Tollway's admin API (status 404)"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]", "is not Tollway's admin API"),
        (b"HTTP/1.1 502 Bad\r\ncontent-length: 0\r\n\r\n", "(status 502)"),
    ],
)
def test_what_is_no_gateway(
    run: Run, strange: tuple[str, list[bytes]], answer: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, answers = strange
    answers[0] = answer
    monkeypatch.setenv("TOLLWAY_ADMIN_KEY", ADMIN_KEY)
    found, mend = fix(run("keys", "list", "--url", url, exits=1))
    assert said in found
    assert "URL" in mend or "--url" in mend
    assert ADMIN_KEY not in found + mend


def test_money_whose_answer_was_lost_names_the_key_to_repeat_it_with(
    run: Run, strange: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLWAY_ADMIN_KEY", ADMIN_KEY)
    _, mend = fix(run("credits", "add", "acme", "5", "--url", strange[0], "--idempotency-key", "inv-7", exits=1))
    assert "run it again with --idempotency-key inv-7" in mend
    _, mend = fix(run("credits", "add", "acme", "5", "--url", strange[0], exits=1))
    assert "run it again with --idempotency-key " in mend
    _, mend = fix(run("credits", "balance", "acme", "--url", strange[0], exits=1))
    assert "idempotency" not in mend


def test_nobody_listens(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLWAY_ADMIN_KEY", ADMIN_KEY)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    said, mend = fix(run("keys", "list", "--url", f"http://127.0.0.1:{port}", exits=1))
    assert said == f"Nothing listens at http://127.0.0.1:{port}."
    assert "tollway serve" in mend


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:8080", "http://", "http://[::1", "http://x:99999999"])
def test_urls_that_are_none(run: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLWAY_ADMIN_KEY", ADMIN_KEY)
    said, mend = fix(run("keys", "list", "--url", url, exits=1))
    assert "is not an http or https URL" in said
    assert "http://127.0.0.1:8080" in mend


def test_credentials_in_a_url_are_not_repeated() -> None:
    assert Remote("http://user:secret@gateway:1/", "k")._url == "http://gateway:1"
