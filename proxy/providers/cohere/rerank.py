"""``/v2/rerank`` behind the shape that gateways share: ``{model, query, documents, top_n}`` in, ``results`` by relevance out."""

from ...errors import InvalidRequest, RawHeaders, TollwayError, UpstreamInvalid
from ...translation.ask import Ask, Encoded
from ...wire.values import Json, JsonObject, count, dumps, dumps_text, items, number, obj
from .errors import error_inside, error_of, headers_of, json_of
from .usage import usage_of

EXTENSIONS = ("top_n", "max_tokens_per_doc", "relevant_spans", "priority")
_READ = frozenset(("model", "query", "documents", "return_documents", *EXTENSIONS))


class Rerank:
    """Made for one request: version 2 no longer returns the documents, so the asked-for ones are put back here."""

    def __init__(self) -> None:
        self._returned: list[Json] = []

    def encode(self, body: JsonObject, ask: Ask) -> Encoded:
        """The body of ``/v2/rerank``; documents that are objects travel as their text, or as JSON. Raises ``InvalidRequest``."""
        documents = items(body.get("documents"))
        if not isinstance(body.get("query"), str):
            raise InvalidRequest("query must be a string.", param="query")
        if not documents:
            raise InvalidRequest("documents must be a list of at least one string.", param="documents")
        texts = [_text(document, ask) for document in documents]
        if body.get("return_documents") is True:
            self._returned = [item if isinstance(item, dict) else {"text": item} for item in documents]
        found: JsonObject = {"model": ask.model, "query": body["query"], "documents": [*texts]}
        for name in EXTENSIONS:
            if body.get(name) is not None:
                found[name] = body[name]
        for name, value in body.items():
            if name not in _READ and value is not None:
                ask.notes.drop(name[:64])
        return Encoded(path="/v2/rerank", body=dumps(found))

    def decode(self, body: bytes, ask: Ask) -> JsonObject:
        """The answer, with ``model`` and, where Cohere reports tokens, ``usage``. Raises ``UpstreamError``."""
        document = json_of(body)
        if document is None:
            raise UpstreamInvalid("Cohere's answer is no JSON object.")
        if not isinstance(document.get("results"), list):
            raise error_inside(body, document)
        found: JsonObject = {
            **document,
            "model": ask.model,
            "results": [self._result(item) for item in items(document["results"])],
        }
        usage = usage_of(document.get("meta"))
        if usage is not None:
            found["usage"] = usage
        return found

    def _result(self, item: Json) -> JsonObject:
        result = obj(item)
        index = count(result.get("index"))
        if index is None or number(result.get("relevance_score")) is None:
            raise UpstreamInvalid("Cohere's answer holds a result without its index or score.")
        return {**result, "document": self._returned[index]} if index < len(self._returned) else result

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError:
        """A non-2xx answer."""
        return error_of(status, headers, body)

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Headers that reach the client."""
        return headers_of(headers)


def _text(document: Json, ask: Ask) -> Json:
    if isinstance(document, str):
        return document
    record = obj(document)
    told = record.get("text")
    if not record:
        raise InvalidRequest("A document must be a string, or an object with its text.", param="documents")
    if isinstance(told, str) and len(record) == 1:
        return told
    ask.notes.rewrite("documents")
    return dumps_text(record)
