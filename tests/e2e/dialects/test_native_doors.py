"""The providers' own SDKs at ``/native/<provider>/``: our key in their header, their bytes both ways, their tokens counted."""

import hashlib
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import boto3
import cohere
import httpx
import openai
import pytest
import trustme
from botocore.config import Config
from botocore.exceptions import ClientError
from cohere.core.api_error import ApiError
from google import genai
from google.genai import errors, types
from mistralai.client import Mistral

from tests.support.observed import metric
from tests.support.processes import KEY, Gateway, Mock, running

from .accounts import DIALECTS, MODELS, NARROW, accounts, config
from .bodies import received

pytestmark = pytest.mark.e2e

ASK: list[Any] = [{"role": "user", "content": "How long is the road?"}]
TEXT = "How long is the road?"


def google(url: str, key: str) -> genai.Client:
    """Google's SDK, as its documentation sets a base URL."""
    return genai.Client(api_key=key, vertexai=False, http_options=types.HttpOptions(base_url=url))


@pytest.fixture(scope="module")
def secure(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, str]]:
    """A gateway behind TLS, as AWS's SDK sends bearer tokens nowhere else; and the file with its authority."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    made.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    made.private_key_pem.write_to_path(folder / "key.pem")
    tls = {"cert": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    with running(config(accounts(mock, DIALECTS), server={"tls": tls})) as found:
        yield found, str(folder / "ca.pem")


@pytest.fixture
def aws(secure: tuple[Gateway, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """AWS's SDK with a Bedrock API key, by that key."""
    made: list[Any] = []

    def connect(key: str) -> Any:
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", key)
        client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=f"{secure[0].origin}/native/bedrock",
            verify=secure[1],
            config=Config(retries={"total_max_attempts": 1}),
        )
        made.append(client)
        return client

    yield connect
    for client in made:
        client.close()


@pytest.fixture(scope="module")
def door(gateway: Gateway) -> Callable[[str], str]:
    """The address of a provider's door."""
    return lambda name: f"{gateway.origin}/native/{name}"


def tokens(gateway: Gateway, provider: str, direction: str) -> float:
    """Tokens that the provider reported so far."""
    return metric(gateway, "tollway_tokens_total", provider=provider, direction=direction, source="reported")


@pytest.fixture
def metered(gateway: Gateway) -> Callable[[str, int, int], None]:
    """Call with a provider's name and the tokens that its answers since reported."""
    names = ("gemini", "cohere", "mistral", "bedrock", "claude", "openai")
    before = {(name, way): tokens(gateway, name, way) for name in names for way in ("input", "output")}

    def check(provider: str, asked: int, answered: int) -> None:
        assert asked > 0
        assert answered > 0
        deadline = time.monotonic() + 2
        while True:
            grown = tuple(tokens(gateway, provider, way) - before[provider, way] for way in ("input", "output"))
            if grown == (asked, answered) or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        assert grown == (asked, answered)

    return check


@pytest.mark.parametrize("verb", ["converse", "converse-stream"])
def test_converse_is_metered(door: "Door", metered: "Metered", verb: str) -> None:
    with httpx.Client(headers={"authorization": f"Bearer {KEY}"}) as http:
        url = door("bedrock") + f"/model/{MODELS['bedrock'].replace(':', '%3A')}/"
        asked = {"messages": [{"role": "user", "content": [{"text": TEXT}]}]}
        usage = http.post(url + "converse", json=asked).json()["usage"]
        times = 1
        if verb == "converse-stream":
            times = 2
            assert http.post(url + verb, json=asked).content
        metered("bedrock", usage["inputTokens"] * times, usage["outputTokens"] * times)


Metered = Callable[[str, int, int], None]
Door = Callable[[str], str]


def test_googles_sdk(door: Door, mock: Mock, metered: Metered) -> None:
    client = google(door("gemini"), KEY)
    model = MODELS["gemini"]
    answer = client.models.generate_content(model=model, contents=TEXT)
    assert answer.text
    assert received(mock)["path"].endswith(f"/models/{model}:generateContent")
    assert received(mock)["headers"]["x-goog-api-key"] == "upstream-credential"
    assert KEY not in json.dumps(received(mock), default=str)
    usage = answer.usage_metadata
    assert usage is not None
    chunks = list(client.models.generate_content_stream(model=model, contents=TEXT))
    assert "".join(chunk.text or "" for chunk in chunks) == answer.text
    last = chunks[-1].usage_metadata
    assert last is not None
    counted = [(found.prompt_token_count or 0, (found.candidates_token_count or 0) + (found.thoughts_token_count or 0)) for found in (usage, last)]  # fmt: skip
    metered("gemini", sum(pair[0] for pair in counted), sum(pair[1] for pair in counted))
    assert client.models.count_tokens(model=model, contents=TEXT).total_tokens
    vectors = client.models.embed_content(model="gemini-embedding-001", contents=TEXT).embeddings
    assert vectors is not None
    assert len(vectors[0].values or []) == 3072
    assert next(iter(client.models.list())).name
    client.close()


def test_coheres_sdk(door: Door, mock: Mock, metered: Metered) -> None:
    with httpx.Client() as http:
        client = cohere.ClientV2(api_key=KEY, base_url=door("cohere"), httpx_client=http)
        answer = client.chat(model=MODELS["cohere"], messages=ASK)
        texts = [part.text for part in answer.message.content or [] if part.type == "text"]
        assert received(mock)["headers"]["authorization"] == "Bearer upstream-credential"
        usage: Any = answer.usage
        events = list(client.chat_stream(model=MODELS["cohere"], messages=ASK))
        text = "".join(
            event.delta.message.content.text or ""  # type: ignore[union-attr]
            for event in events
            if event.type == "content-delta" and event.delta.message.content.text  # type: ignore[union-attr]
        )
        assert text == texts[0]
        metered("cohere", int(usage.tokens.input_tokens) * 2, int(usage.tokens.output_tokens) * 2)
        found = client.rerank(model="rerank-v4.0-pro", query="road", documents=["a road", "a sea"])
        assert found.results[0].index == 0
        vectors = client.embed(model="embed-v4.0", texts=[TEXT], input_type="search_query", embedding_types=["float"])
        assert vectors.embeddings.float_


def test_mistrals_sdk(door: Door, mock: Mock, metered: Metered) -> None:
    with Mistral(api_key=KEY, server_url=door("mistral")) as client:
        answer = client.chat.complete(model="mistral-small-2603", messages=ASK)
        assert received(mock)["path"] == "/v1/chat/completions"
        assert received(mock)["headers"]["authorization"] == "Bearer upstream-credential"
        assert answer.choices[0].message.content
        usage: Any = answer.usage
        stream = client.chat.stream(model="mistral-small-2603", messages=ASK)
        text = "".join(str(event.data.choices[0].delta.content or "") for event in stream if event.data.choices)
        assert text == answer.choices[0].message.content
        metered("mistral", usage.prompt_tokens * 2, usage.completion_tokens * 2)


def test_awss_sdk(aws: Callable[[str], Any], secure: tuple[Gateway, str], mock: Mock) -> None:
    client = aws(KEY)
    asked: dict[str, Any] = {"modelId": MODELS["bedrock"], "messages": [{"role": "user", "content": [{"text": TEXT}]}]}
    answer = client.converse(**asked)
    text = answer["output"]["message"]["content"][0]["text"]
    assert received(mock)["headers"]["authorization"] == "Bearer upstream-credential"
    stream = client.converse_stream(**asked)["stream"]
    events = list(stream)
    stream.close()
    again = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    assert again == text
    usage, last = answer["usage"], events[-1]["metadata"]["usage"]
    assert last == usage
    body = json.dumps({"inputText": TEXT})
    vectors = client.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=body)
    assert json.loads(vectors["body"].read())["embedding"]
    vectors["body"].close()


def test_anthropics_sdk(door: Door, mock: Mock, metered: Metered) -> None:
    with anthropic.Anthropic(base_url=door("claude"), api_key=KEY, max_retries=0) as client:
        given: dict[str, Any] = {"model": MODELS["claude"], "max_tokens": 100, "messages": ASK}
        message = client.messages.create(**given)
        assert received(mock)["headers"]["x-api-key"] == "upstream-credential"
        with client.messages.stream(**given) as stream:
            final = stream.get_final_message()
        assert [block.model_dump(include={"type", "text"}) for block in final.content] == [
            block.model_dump(include={"type", "text"}) for block in message.content
        ]
        usage = message.usage
        metered("claude", usage.input_tokens * 2, usage.output_tokens * 2)
        assert client.messages.count_tokens(model=MODELS["claude"], messages=ASK).input_tokens
        assert next(iter(client.models.list())).id


def test_openais_sdk(door: Door, mock: Mock, metered: Metered) -> None:
    with openai.OpenAI(base_url=door("openai") + "/v1", api_key=KEY, max_retries=0) as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=ASK)
        assert received(mock)["headers"]["authorization"] == "Bearer upstream-credential"
        chunks = list(
            client.chat.completions.create(
                model="gpt-4o", messages=ASK, stream=True, stream_options={"include_usage": True}
            )
        )
        assert chunks[-1].usage == answer.usage
        response = client.responses.create(model="gpt-4o", input=TEXT)
        assert response.output_text
        usage: Any = answer.usage
        told: Any = response.usage
        metered(
            "openai",
            usage.prompt_tokens * 2 + told.input_tokens,
            usage.completion_tokens * 2 + told.output_tokens,
        )
        assert client.files.create(file=("a.txt", b"road"), purpose="user_data").id
        assert len(client.embeddings.create(model="text-embedding-3-small", input=TEXT).data) == 1


BODY = b'{ "model":"small","max_tokens":40 ,\n"messages":[{"role":"user","content":"a\\u00e9\xc3\xa9 \\/ 1.0e0"}] ,"unheard_of":1.0}'
GOOGLE = b'{ "contents":[{"role":"user","parts":[{"text":"a\\u00e9\xc3\xa9 \\/"}]}] ,\n"generationConfig":{"temperature":1.0e0} }'
CONVERSE = b'{ "messages":[{"role":"user","content":[{"text":"a\\u00e9\xc3\xa9 \\/"}]}] ,\n"inferenceConfig":{"temperature":1.0} }'
PLAIN_COHERE = (
    b'{ "model":"command-a-03-2025" ,\n"messages":[{"role":"user","content":"a\\u00e9\xc3\xa9 \\/"}] , "stream": %b}'
)
EXACT = [
    ("openai", "/v1/chat/completions?a=%2f&a=2", BODY),
    ("openai", "/v1/chat/completions", b'{"stream" :true, ' + BODY[1:]),
    ("claude", "/v1/messages?beta=true", BODY.replace(b',"unheard_of":1.0', b"")),
    ("claude", "/v1/messages", b'{"stream" :true, ' + BODY[1:].replace(b',"unheard_of":1.0', b"")),
    ("gemini", "/v1beta/models/gemini-3.5-flash:generateContent", GOOGLE),
    ("gemini", "/v1beta/models/gemini-3.5-flash:streamGenerateContent?alt=sse", GOOGLE),
    ("gemini", "/v1beta/models/gemini-3.5-flash:streamGenerateContent", GOOGLE),
    ("bedrock", "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse", CONVERSE),
    ("bedrock", "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream", CONVERSE),
    ("cohere", "/v2/chat", PLAIN_COHERE % b"false"),
    ("cohere", "/v2/chat", PLAIN_COHERE % b"true"),
    ("cohere", "/v2/nothing/here", b"not json \x00\xff"),
    ("gemini", "/v1beta/models/gemini-3.5-flash:generateContent", b"{"),
]
HEADERS = {"content-type": "application/json", "anthropic-version": "2023-06-01", "accept-encoding": "identity"}


@pytest.mark.parametrize(("provider", "path", "body"), EXACT)
def test_bytes_pass_untouched_both_ways(door: Door, mock: Mock, provider: str, path: str, body: bytes) -> None:
    with httpx.Client(headers=HEADERS) as http:
        through = http.post(door(provider) + path, content=body, headers={"x-api-key": KEY})
        entry = received(mock)
        assert entry["body_sha256"] == hashlib.sha256(body).hexdigest()
        assert entry["path"] == path
        credential = {"claude": "x-api-key", "gemini": "x-goog-api-key"}.get(provider, "authorization")
        value = "upstream-credential" if credential != "authorization" else "Bearer upstream-credential"
        straight = http.post(mock.origin + path, content=body, headers={credential: value})
    assert (through.status_code, through.content) == (straight.status_code, straight.content)
    kept = ("content-type", "request-id", "x-amzn-requestid", "x-request-id")
    for name in kept:
        if name in straight.headers:
            assert through.headers[name] == straight.headers[name]


KEY_HEADERS = [
    ("gemini", "/v1beta/models/gemini-3.5-flash:generateContent", GOOGLE, "x-goog-api-key", "{}"),
    ("cohere", "/v2/chat", PLAIN_COHERE % b"false", "authorization", "Bearer {}"),
    ("bedrock", "/model/amazon.nova-lite-v1%3A0/converse", CONVERSE, "authorization", "Bearer {}"),
    ("claude", "/v1/messages", BODY.replace(b',"unheard_of":1.0', b""), "x-api-key", "{}"),
    ("azure", "/openai/v1/chat/completions", BODY, "api-key", "{}"),
    ("openai", "/v1/chat/completions", BODY, "authorization", "Bearer {}"),
]


@pytest.mark.parametrize(("provider", "path", "body", "name", "form"), KEY_HEADERS)
def test_keys(door: Door, mock: Mock, provider: str, path: str, body: bytes, name: str, form: str) -> None:
    """Each SDK's own header: ours is let in, a stranger's is 401, one that is limited to models is 403."""
    with httpx.Client(headers=HEADERS) as http:
        assert http.post(door(provider) + path, content=body, headers={name: form.format(KEY)}).status_code == 200
        before = mock.stats()["requests"]
        assert http.post(door(provider) + path, content=body, headers={name: form.format("sk-x")}).status_code == 401
        assert http.post(door(provider) + path, content=body).status_code == 401
        assert http.post(door(provider) + path, content=body, headers={name: form.format(NARROW)}).status_code == 403
        assert mock.stats()["requests"] == before


SMALL_COHERE = (PLAIN_COHERE % b"false").replace(b"command-a-03-2025", b"command-r7b-12-2024")
NARROWED = [
    ("gemini", "/v1beta/models/gemini-3.8-flash:generateContent", GOOGLE, 200),
    ("gemini", "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse", GOOGLE, 200),
    ("gemini", "/v1beta/models/gemini-3.5-flash:generateContent", GOOGLE, 403),
    ("gemini", "/v1beta/models/gemini-3.8-flash/../gemini-3.5-flash:generateContent", GOOGLE, 404),
    ("gemini", "/v1beta/files", b"{}", 403),
    ("cohere", "/v2/chat", SMALL_COHERE, 200),
    ("cohere", "/v2/chat", PLAIN_COHERE % b"false", 403),
    ("cohere", "/v2/chat", b'{"model":"other-a",' + SMALL_COHERE[1:], 403),
    ("claude", "/v1/messages", BODY.replace(b"small", b"command-r7b-12-2024"), 403),
]


@pytest.mark.parametrize(("provider", "path", "body", "status"), NARROWED)
def test_a_key_for_a_few_models(door: Door, mock: Mock, provider: str, path: str, body: bytes, status: int) -> None:
    """It passes where its models are named as ``provider/model``, and nowhere else."""
    before = mock.stats()["requests"]
    head = f"POST {door(provider).partition('//')[2].partition('/')[2].join(('/', path))} HTTP/1.1\r\n".encode()
    head += b"host: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\n"
    head += f"x-api-key: {NARROW}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    port = int(door(provider).split(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        link.sendall(head + body)
        answer = link.makefile("rb").readline()
    assert int(answer.split()[1]) == status, answer
    assert mock.stats()["requests"] == before + (status == 200)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_vertex_paths_begin_with_a_project(door: Door, mock: Mock, version: str) -> None:
    path = f"/{version}/projects/p/locations/global/publishers/google/models/gemini-3.8-flash:generateContent"
    with httpx.Client(headers={**HEADERS, "x-goog-api-key": KEY}) as http:
        found = http.post(door("vertex") + path, content=GOOGLE)
    assert found.status_code == 200, found.text
    assert received(mock)["path"] == path


def test_the_sdks_raise_their_own_errors_for_a_wrong_key(door: Door, aws: Callable[[str], Any]) -> None:
    client = google(door("gemini"), "sk-x")
    with pytest.raises(errors.ClientError) as google_said:
        client.models.generate_content(model="gemini-3.5-flash", contents=TEXT)
    assert google_said.value.code == 401
    client.close()
    with httpx.Client() as http, pytest.raises(ApiError) as cohere_said:
        cohere.ClientV2(api_key="sk-x", base_url=door("cohere"), httpx_client=http).chat(
            model="command-a-03-2025", messages=ASK
        )
    assert cohere_said.value.status_code == 401
    with pytest.raises(ClientError) as aws_said:
        aws("sk-x").converse(modelId="amazon.nova-lite-v1:0", messages=[{"role": "user", "content": [{"text": TEXT}]}])
    assert aws_said.value.response["ResponseMetadata"]["HTTPStatusCode"] == 401


@pytest.mark.parametrize(
    "path",
    [
        "/native/openai/v1/organization/costs",
        "/native/openai/v1/organization/admin_api_keys",
        "/native/openai/v1/projects",
        "/native/openai/v1/%6frganization/costs",
        "/native/openai/v1//organization/costs",
        "/native/claude/v1/organizations/api_keys",
        "/native/openai/v1/../v1/organization/costs",
    ],
)
def test_administration_stays_closed(gateway: Gateway, mock: Mock, path: str) -> None:
    before = mock.stats()["requests"]
    asked = urllib.request.Request(gateway.origin + path, headers={"authorization": f"Bearer {KEY}"})
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(asked, timeout=5)
    raised.value.close()
    assert raised.value.code in (403, 404)
    assert mock.stats()["requests"] == before


def test_an_unknown_provider(gateway: Gateway) -> None:
    found = httpx.post(f"{gateway.origin}/native/nobody/v1/x", content=b"{}", headers={"x-api-key": KEY})
    assert found.status_code == 404
    assert "nobody" in found.json()["error"]["message"]
