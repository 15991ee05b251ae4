"""Embeddings and images at Google."""

import base64
import struct

import orjson
import pytest

from proxy.errors import InvalidRequest, UpstreamError, UpstreamInvalid
from proxy.providers.gemini.embeddings import Embeddings
from proxy.providers.gemini.images import Images
from proxy.wire.values import Json, JsonObject
from tests.unit.proxy.providers.gemini.asking import ask

MODEL = "gemini-embedding-001"


def sent(operation: Embeddings | Images, body: JsonObject, model: str = MODEL) -> tuple[str, JsonObject]:
    encoded = operation.encode(body, ask(model))
    return encoded.path, orjson.loads(encoded.body)


def test_one_text() -> None:
    path, body = sent(Embeddings(), {"input": "a", "dimensions": 3, "task_type": "RETRIEVAL_QUERY"})
    assert path == f"/models/{MODEL}:embedContent"
    assert body == {"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3}


def test_several_texts() -> None:
    path, body = sent(Embeddings(), {"input": ["a", "b"]})
    assert path == f"/models/{MODEL}:batchEmbedContents"
    assert body == {
        "requests": [{"model": f"models/{MODEL}", "content": {"parts": [{"text": text}]}} for text in ("a", "b")]
    }


def test_vertex_predicts_one_text_of_the_newest_models_and_several_of_others() -> None:
    path, body = sent(Embeddings(vertex=True), {"input": ["a", "b"], "dimensions": 3}, "text-embedding-005")
    assert path == "/models/text-embedding-005:predict"
    assert body == {"instances": [{"content": "a"}, {"content": "b"}], "parameters": {"outputDimensionality": 3}}
    with pytest.raises(InvalidRequest, match="at most 1 text a request"):
        sent(Embeddings(vertex=True), {"input": ["a", "b"]})


@pytest.mark.parametrize("given", [None, [], [1, 2], [[1]], ["a", 3], 5, ["x"] * 101])
def test_input_that_cannot_be_embedded(given: Json) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sent(Embeddings(), {"input": given})
    assert caught.value.param == "input"


@pytest.mark.parametrize(
    ("answer", "usage"),
    [
        ({"embedding": {"values": [0.5, -1]}}, None),
        ({"embeddings": [{"values": [0.5, -1]}], "usageMetadata": {"promptTokenCount": 4}}, 4),
        ({"predictions": [{"embeddings": {"values": [0.5, -1], "statistics": {"token_count": 3}}}]}, 3),
    ],
)
def test_vectors_as_numbers_and_as_base64(answer: JsonObject, usage: int | None) -> None:
    plain, packed = Embeddings(), Embeddings()
    plain.encode({"input": "a"}, ask(MODEL))
    packed.encode({"input": "a", "encoding_format": "base64"}, ask(MODEL))
    found = plain.decode(orjson.dumps(answer), ask(MODEL))
    assert found["data"] == [{"object": "embedding", "index": 0, "embedding": [0.5, -1]}]
    assert found.get("usage") == (None if usage is None else {"prompt_tokens": usage, "total_tokens": usage})
    text = packed.decode(orjson.dumps(answer), ask(MODEL))["data"][0]["embedding"]  # type: ignore[index, call-overload]
    assert struct.unpack("<2f", base64.b64decode(str(text))) == (0.5, -1.0)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"embedding":{"values":[]}}', b'{"embedding":{"values":["x"]}}'])
def test_no_vectors(body: bytes) -> None:
    embeddings = Embeddings()
    embeddings.encode({"input": "a", "encoding_format": "base64"}, ask(MODEL))
    with pytest.raises(UpstreamInvalid):
        embeddings.decode(body, ask(MODEL))


def test_an_image_by_gemini_and_by_imagen() -> None:
    asked: JsonObject = {"prompt": "a cat", "size": "1792x1024", "quality": "hd"}
    path, body = sent(Images(), asked, "gemini-2.5-flash-image")
    assert path == "/models/gemini-2.5-flash-image:generateContent"
    assert body["generationConfig"] == {
        "responseModalities": ["IMAGE"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
    }
    path, body = sent(Images(), {"prompt": "a cat", "n": 3, "size": "1024x1536"}, "imagen-4.0")
    assert path == "/models/imagen-4.0:predict"
    assert body == {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 3, "aspectRatio": "3:4"}}


@pytest.mark.parametrize(
    "answer",
    [
        {"predictions": [{"bytesBase64Encoded": "iVBO", "mimeType": "image/png"}]},
        {
            "candidates": [
                {"content": {"parts": [{"text": "x"}, {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}]}}
            ]
        },
    ],
)
def test_images_come_as_base64(answer: JsonObject) -> None:
    assert Images().decode(orjson.dumps(answer), ask()) == {"created": 7, "data": [{"b64_json": "iVBO"}]}


def test_why_there_is_no_image() -> None:
    with pytest.raises(UpstreamError, match="no image: IMAGE_SAFETY"):
        Images().decode(b'{"candidates":[{"finishReason":"IMAGE_SAFETY"}]}', ask())
    with pytest.raises(InvalidRequest):
        sent(Images(), {"size": "1024x1024"})


def test_what_images_cannot_have_is_named() -> None:
    to = ask("gemini-2.5-flash-image")
    Images().encode({"prompt": "x", "n": 2, "response_format": "url", "background": "clear", "size": "odd"}, to)
    assert to.notes.dropped == ["background", "size", "n"]
    assert to.notes.rewritten == ["response_format"]
