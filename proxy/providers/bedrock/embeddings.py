"""Embeddings through ``invoke``: Titan takes one text a request, Cohere a list; each has its own body."""

from base64 import b64encode
from struct import error as struct_error
from struct import pack

from ...errors import InvalidRequest, RawHeaders, TollwayError, UpstreamInvalid
from ...translation.ask import Ask, Encoded
from ...wire.values import Json, JsonObject, count, dumps, items, obj, object_in, objects, text
from .chat import kept_headers
from .errors import error_of
from .families import foundation
from .request import path_of

_COMMON = ("model", "input", "encoding_format", "user", "dimensions")


class Embeddings:
    """What Titan and Cohere share. Made for one request: the form of the vectors is the client's choice and not the model's."""

    own: tuple[str, ...] = ()
    """The model's parameters that a request may carry besides OpenAI's."""

    def __init__(self) -> None:
        self._base64 = False

    def encode(self, body: JsonObject, ask: Ask) -> Encoded:
        """Raises ``InvalidRequest`` for input that is no text."""
        for name, value in body.items():
            if name not in (*_COMMON, *self.own) and value is not None:
                ask.notes.drop(name)
        self._base64 = body.get("encoding_format") == "base64"
        native = self.body(_texts(body), body, ask)
        native.update({name: body[name] for name in self.own if body.get(name) is not None})
        return Encoded(path=path_of(ask.model, "invoke"), body=dumps(native))

    def body(self, texts: list[str], given: JsonObject, ask: Ask) -> JsonObject:
        """The model's own request."""
        raise NotImplementedError

    def read(self, document: JsonObject) -> tuple[list[list[Json]], int | None]:
        """Vectors, and tokens where they are reported."""
        raise NotImplementedError

    def decode(self, body: bytes, ask: Ask) -> JsonObject:
        """OpenAI's list. Raises ``UpstreamInvalid`` for an answer without vectors."""
        document = object_in(body)
        vectors, tokens = self.read(document) if document is not None else ([], None)
        if not vectors:
            raise UpstreamInvalid("The provider's answer holds no embeddings.", detail=repr(body[:200]))
        data: list[Json] = [
            {"object": "embedding", "index": index, "embedding": self._form(vector)}
            for index, vector in enumerate(vectors)
        ]
        found: JsonObject = {"object": "list", "data": data, "model": ask.model}
        if tokens is not None:
            found["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return found

    def _form(self, vector: list[Json]) -> Json:
        """Numbers, or as OpenAI packs them: base64 of little-endian 32-bit floats."""
        try:
            packed = pack(f"<{len(vector)}f", *vector)
        except (struct_error, OverflowError) as error:
            raise UpstreamInvalid(
                "The provider's answer holds an embedding that is not numbers.", detail=str(error)
            ) from error
        return b64encode(packed).decode() if self._base64 else vector

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError:
        """A non-2xx answer."""
        return error_of(status, headers, body)

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Response headers that reach the client."""
        return kept_headers(headers)


class Titan(Embeddings):
    """Amazon's. The first version has no parameters."""

    own = ("normalize",)

    def body(self, texts: list[str], given: JsonObject, ask: Ask) -> JsonObject:
        """``inputText``, and the size where the model can choose it."""
        if len(texts) != 1:
            raise InvalidRequest(
                f"{ask.model[:200]} embeds one text a request; send each of the {len(texts)} in a request of its own.",
                param="input",
            )
        found: JsonObject = {"inputText": texts[0]}
        if given.get("dimensions") is not None:
            if "v1" in foundation(ask.model):
                ask.notes.drop("dimensions")
            else:
                found["dimensions"] = given["dimensions"]
        return found

    def read(self, document: JsonObject) -> tuple[list[list[Json]], int | None]:
        """``embedding``, or ``embeddingsByType`` where types were asked for."""
        vector = items(document.get("embedding")) or items(obj(document.get("embeddingsByType")).get("float"))
        return [vector] if vector else [], count(document.get("inputTextTokenCount"))


class Cohere(Embeddings):
    """Cohere's; the number of tokens stands in a header, so the body reports none."""

    own = ("input_type", "truncate")

    def body(self, texts: list[str], given: JsonObject, ask: Ask) -> JsonObject:
        """``input_type`` is demanded; a client that does not say is taken to index documents."""
        found: JsonObject = {"texts": [*texts], "input_type": "search_document", "embedding_types": ["float"]}
        if given.get("dimensions") is not None:
            if "embed-v4" in foundation(ask.model):
                found["output_dimension"] = given["dimensions"]
            else:
                ask.notes.drop("dimensions")
        return found

    def read(self, document: JsonObject) -> tuple[list[list[Json]], int | None]:
        """A list of vectors, or one under each type."""
        found = document.get("embeddings")
        listed = obj(found).get("float") if isinstance(found, dict) else found
        return [items(vector) for vector in items(listed)], None


class Rerank:
    """Cohere's and Amazon's rerankers through ``invoke``."""

    def encode(self, body: JsonObject, ask: Ask) -> Encoded:
        """Documents are texts, or objects with a ``text``. Raises ``InvalidRequest``."""
        query = text(body.get("query"))
        documents = [
            found if isinstance(found, str) else text(obj(found).get("text")) for found in items(body.get("documents"))
        ]
        if not query or not documents or not all(documents):
            raise InvalidRequest(
                "Reranking needs a 'query' and a list of 'documents' that are texts.", param="documents"
            )
        for name, value in body.items():
            if name not in ("model", "query", "documents", "top_n") and value not in (None, False):
                ask.notes.drop(name)
        native: JsonObject = {"query": query, "documents": [*documents]}
        if body.get("top_n") is not None:
            native["top_n"] = body["top_n"]
        if foundation(ask.model).startswith("cohere."):
            native["api_version"] = 2
        return Encoded(path=path_of(ask.model, "invoke"), body=dumps(native))

    def decode(self, body: bytes, ask: Ask) -> JsonObject:
        """Cohere's shape: ``results`` of ``index`` and ``relevance_score``."""
        document = object_in(body)
        if document is None or not isinstance(document.get("results"), list):
            raise UpstreamInvalid("The provider's answer holds no ranking.", detail=repr(body[:200]))
        results: list[Json] = [
            {"index": found.get("index"), "relevance_score": found.get("relevance_score")}
            for found in objects(document["results"])
        ]
        return {"object": "list", "model": ask.model, "results": results}

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError:
        """A non-2xx answer."""
        return error_of(status, headers, body)

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Response headers that reach the client."""
        return kept_headers(headers)


def _texts(body: JsonObject) -> list[str]:
    given = body.get("input")
    listed = [given] if isinstance(given, str) else items(given)
    texts = [found for found in listed if isinstance(found, str)]
    if not texts or len(texts) < len(listed):
        raise InvalidRequest(
            "Bedrock embeds texts alone; send 'input' as a string or a list of strings.", param="input"
        )
    return texts
