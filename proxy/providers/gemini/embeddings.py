"""OpenAI's embeddings at Google: ``embedContent`` and its batch form on AI Studio, ``predict`` on Vertex AI."""

from base64 import b64encode
from struct import error as struct_error
from struct import pack

from ...errors import InvalidRequest
from ...translation.ask import Ask, Encoded
from ...wire.values import Json, JsonObject, count, dumps, items, number, obj, object_in, objects, text
from .dialect import Address, GoogleAnswers, model_path
from .errors import error_within, no_answer

BATCH = 100
"""Texts of one AI Studio request."""

INSTANCES = 250
"""Texts of one Vertex request; models named ``gemini-embedding-…`` take a single one there."""

_READ = frozenset(("model", "input", "dimensions", "encoding_format", "task_type", "taskType", "title"))


class Embeddings(GoogleAnswers):
    """Made for one request: the form of the vectors is the client's choice and not Google's."""

    def __init__(self, address: Address = model_path, *, vertex: bool = False) -> None:
        self._address = address
        self._vertex = vertex
        self._base64 = False

    def encode(self, body: JsonObject, ask: Ask) -> Encoded:
        """Raises ``InvalidRequest`` for token arrays and for more texts than one request takes."""
        self._base64 = body.get("encoding_format") == "base64"
        single = isinstance(body.get("input"), str)
        texts = _texts(body.get("input"), _largest(ask.model, vertex=self._vertex))
        for name, value in body.items():
            if name not in _READ and value is not None:
                ask.notes.drop(name[:80])
        path = self._address(ask.model)
        if self._vertex:
            return Encoded(path=f"{path}:predict", body=dumps(_predict(texts, body)))
        requests: list[Json] = [_embed(piece, body) for piece in texts]
        if single:
            return Encoded(path=f"{path}:embedContent", body=dumps(requests[0]))
        name = ask.model if ask.model.startswith(("models/", "tunedModels/")) else f"models/{ask.model}"
        batch: list[Json] = [{"model": name, **obj(request)} for request in requests]
        return Encoded(path=f"{path}:batchEmbedContents", body=dumps({"requests": batch}))

    def decode(self, body: bytes, ask: Ask) -> JsonObject:
        """OpenAI's list of embeddings; without ``usage`` where Google reports none. Raises ``UpstreamError``."""
        document = object_in(body)
        if document is None:
            raise no_answer("is not a JSON object")
        failure = error_within(document)
        if failure is not None:
            raise failure
        found = objects(document.get("predictions"))
        entries = [obj(entry.get("embeddings")) for entry in found] or objects(document.get("embeddings"))
        entries = entries or [obj(document.get("embedding"))]
        data: list[Json] = [
            {"object": "embedding", "index": index, "embedding": self._vector(entry.get("values"))}
            for index, entry in enumerate(entries)
        ]
        answer: JsonObject = {"object": "list", "data": data, "model": ask.model}
        tokens = _tokens(document, entries)
        if tokens is not None:
            answer["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return answer

    def _vector(self, values: Json) -> Json:
        if not isinstance(values, list) or not values:
            raise no_answer("holds no embedding")
        if not self._base64:
            return values
        try:
            return b64encode(pack(f"<{len(values)}f", *(number(value) for value in values))).decode()
        except (struct_error, OverflowError):
            raise no_answer("holds an embedding that is no list of numbers") from None


def _largest(model: str, *, vertex: bool) -> int:
    if not vertex:
        return BATCH
    return 1 if "gemini-embedding" in model else INSTANCES


def _texts(given: Json, largest: int) -> list[str]:
    texts = [given] if isinstance(given, str) else items(given)
    found = [item for item in texts if isinstance(item, str)]
    if not found or len(found) != len(texts):
        raise InvalidRequest(
            "Gemini embeds text, not token ids: send input as a string or a list of strings (LangChain: "
            "check_embedding_ctx_length=False).",
            param="input",
        )
    if len(found) > largest:
        raise InvalidRequest(
            f"This model embeds at most {largest} text{'s' if largest > 1 else ''} a request and this one has {len(found)}; "
            "send them in parts.",
            param="input",
        )
    return found


def _task(body: JsonObject) -> str:
    return text(body.get("task_type")) or text(body.get("taskType"))


def _embed(piece: str, body: JsonObject) -> JsonObject:
    found: JsonObject = {"content": {"parts": [{"text": piece}]}}
    if _task(body):
        found["taskType"] = _task(body)
    if text(body.get("title")):
        found["title"] = body["title"]
    if body.get("dimensions") is not None:
        found["outputDimensionality"] = body["dimensions"]
    return found


def _predict(texts: list[str], body: JsonObject) -> JsonObject:
    beside: JsonObject = {"task_type": _task(body)} if _task(body) else {}
    if text(body.get("title")):
        beside["title"] = body["title"]
    found: JsonObject = {"instances": [{"content": piece, **beside} for piece in texts]}
    if body.get("dimensions") is not None:
        found["parameters"] = {"outputDimensionality": body["dimensions"]}
    return found


def _tokens(document: JsonObject, entries: list[JsonObject]) -> int | None:
    """AI Studio counts in ``usageMetadata``, if at all; Vertex for each instance."""
    whole = count(obj(document.get("usageMetadata")).get("promptTokenCount"))
    if whole is not None:
        return whole
    each = [count(obj(entry.get("statistics")).get("token_count")) for entry in entries]
    counted = [tokens for tokens in each if tokens is not None]
    return sum(counted) if counted and len(counted) == len(each) else None
