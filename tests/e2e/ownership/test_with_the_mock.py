"""Two accounts, one gateway process, one upstream that really keeps things, and the official SDK."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.support.processes import Gateway, Mock, config_for
from tests.support.rawhttp import eventually

KEYS = [{"name": "acme", "key": "sk-tw-acme"}, {"name": "blue", "key": "sk-tw-blue"}]

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    found = Mock()
    yield found
    found.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("owners")


def config(mock: Mock, folder: Path) -> dict[str, object]:
    return config_for(
        mock.url,
        keys=KEYS,
        passthrough={"provider": "mock"},
        storage={"type": "sqlite", "path": str(folder / "tollway.db")},
    )


@pytest.fixture(scope="module")
def gateway(mock: Mock, folder: Path) -> Iterator[Gateway]:
    found = Gateway(config(mock, folder))
    yield found
    found.close()


def client(gateway: Gateway, name: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=gateway.url, api_key=f"sk-tw-{name}", max_retries=0)


def uploaded(who: openai.OpenAI, text: str, purpose: str = "user_data") -> str:
    return who.files.create(file=(f"{text}.txt", io.BytesIO(text.encode())), purpose=purpose).id  # type: ignore[arg-type]


def test_files_are_listed_read_and_deleted_by_their_owner_alone(gateway: Gateway) -> None:
    with client(gateway, "acme") as acme, client(gateway, "blue") as blue:
        mine = [uploaded(acme, f"acme {number}") for number in range(3)]
        theirs = [uploaded(blue, f"blue {number}") for number in range(3)]
        assert {file.id for file in acme.files.list()} == set(mine)
        assert {file.id for file in blue.files.list(limit=1)} == set(theirs)
        assert acme.files.content(mine[0]).text == "acme 0"
        for ident in (theirs[0], "file-nobody1234"):
            with pytest.raises(openai.NotFoundError, match="No such file"):
                acme.files.retrieve(ident)
            with pytest.raises(openai.NotFoundError, match="No such file"):
                acme.files.delete(ident)
        assert blue.files.delete(theirs[0]).deleted
        with pytest.raises(openai.NotFoundError):
            blue.files.retrieve(theirs[0])


def test_responses_and_conversations(gateway: Gateway) -> None:
    with client(gateway, "acme") as acme, client(gateway, "blue") as blue:
        first = acme.responses.create(model="gpt-4o", input="hello from acme")
        assert acme.responses.retrieve(first.id).id == first.id
        assert acme.responses.create(model="gpt-4o", input="again", previous_response_id=first.id).id
        streamed = list(acme.responses.create(model="gpt-4o", input="streamed", stream=True))
        made = streamed[0].response.id  # type: ignore[union-attr]
        for ident in (first.id, made, "resp_nobody12"):
            with pytest.raises(openai.NotFoundError):
                blue.responses.retrieve(ident)
            with pytest.raises(openai.NotFoundError):
                blue.responses.create(model="gpt-4o", input="mine now", previous_response_id=ident)
        assert acme.responses.retrieve(made).id == made
        talk = acme.conversations.create()
        with pytest.raises(openai.NotFoundError):
            blue.conversations.items.list(talk.id)
        with pytest.raises(openai.NotFoundError):
            blue.responses.create(model="gpt-4o", input="x", conversation=talk.id)


def test_stored_chats_vector_stores_and_batches(gateway: Gateway) -> None:
    with client(gateway, "acme") as acme, client(gateway, "blue") as blue:
        chat = acme.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "keep this"}], store=True
        )
        assert [one.id for one in acme.chat.completions.list()] == [chat.id]
        assert list(blue.chat.completions.list()) == []
        store = acme.vector_stores.create(name="acme's")
        with pytest.raises(openai.NotFoundError):
            blue.vector_stores.search(store.id, query="x")
        line = {
            "custom_id": "1",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "gpt-4o", "messages": []},
        }
        source = acme.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
        with pytest.raises(openai.NotFoundError):
            blue.batches.create(input_file_id=source.id, endpoint="/v1/chat/completions", completion_window="24h")
        batch = acme.batches.create(input_file_id=source.id, endpoint="/v1/chat/completions", completion_window="24h")
        assert [one.id for one in acme.batches.list()] == [batch.id]
        assert list(blue.batches.list()) == []


async def test_a_restart_forgets_nothing(mock: Mock, folder: Path) -> None:
    again = folder / "again"
    again.mkdir()
    settings = config(mock, again)
    gateway = Gateway(settings)
    try:
        with client(gateway, "acme") as acme:
            ident = uploaded(acme, "kept over a restart")
        assert gateway.terminate() == 0
    finally:
        gateway.close()
    gateway = Gateway(settings)
    try:
        with client(gateway, "acme") as acme, client(gateway, "blue") as blue:
            assert await eventually(lambda: acme.files.retrieve(ident).id == ident, 5.0)
            with pytest.raises(openai.NotFoundError):
                blue.files.retrieve(ident)
    finally:
        gateway.close()
