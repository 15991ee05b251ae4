"""Embeddings in Gemini's words: one, several, and Vertex's predictions."""

from array import array

from .gemini_contents import list_of, member, object_of
from .gemini_request import unknown_name
from .reply import Call, Object, Refused, Reply, json_reply
from .text import text_tokens, vector


def _embedding(call: Call, request: Object) -> list[float]:
    for name in request:
        if name not in ("model", "content", "taskType", "title", "outputDimensionality", "embedContentConfig"):
            raise unknown_name(name)
    config = {**object_of(request, "embedContentConfig"), **request}
    wanted = member(config, "outputDimensionality")
    dimensions = 3072 if wanted is None else wanted
    if not isinstance(dimensions, int) or not 1 <= dimensions <= 3072:
        raise Refused("* EmbedContentRequest.output_dimensionality: must be in the range [1, 3072]")
    parts = list_of(object_of(request, "content"), "parts")
    if not parts:
        raise Refused("* EmbedContentRequest.content: contents is not specified")
    text = "".join(str(part.get("text", "")) for part in parts)
    return array("f", vector(call.controls.seed % 2**64, text, dimensions)).tolist()


def embed(call: Call) -> Reply:
    """Answer :embedContent."""
    return json_reply({"embedding": {"values": _embedding(call, call.document())}})


def embed_all(call: Call) -> Reply:
    """Answer :batchEmbedContents."""
    requests = list_of(call.document(), "requests")
    if not requests:
        raise Refused("* BatchEmbedContentsRequest.requests: at least one request is required")
    for request in requests:
        if str(request.get("model", "")).removeprefix("models/") != call.params[-1]:
            raise Refused("* BatchEmbedContentsRequest.requests[0].model: model does not match the model in the path")
    return json_reply({"embeddings": [{"values": _embedding(call, request)} for request in requests]})


def predict(call: Call) -> Reply:
    """Answer Vertex's :predict, for embeddings."""
    document = call.document()
    wanted = member(object_of(document, "parameters"), "outputDimensionality")
    predictions: list[Object] = []
    for instance in list_of(document, "instances"):
        text = str(instance.get("content", ""))
        request: Object = {"content": {"parts": [{"text": text}]}, "outputDimensionality": wanted}
        statistics = {"token_count": text_tokens(text), "truncated": False}
        predictions.append({"embeddings": {"values": _embedding(call, request), "statistics": statistics}})
    if not predictions:
        raise Refused("Empty instances.")
    if len(predictions) > 1 and call.params[-1].startswith("gemini-embedding"):
        raise Refused("Model gemini-embedding-001 accepts 1 instance per request.")
    return json_reply({"predictions": predictions})
