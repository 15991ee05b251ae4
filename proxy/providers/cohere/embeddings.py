"""``/v2/embed`` as OpenAI's embeddings. Cohere embeds by purpose: ``search_document`` unless ``input_type`` says otherwise."""

from base64 import b64encode
from struct import error as struct_error
from struct import pack

from ...errors import InvalidRequest, RawHeaders, TollwayError, UpstreamInvalid
from ...translation.ask import Ask, Encoded
from ...wire.values import Json, JsonObject, count, dumps, items, number, obj
from .errors import error_inside, error_of, headers_of, json_of
from .usage import billed_units

EXTENSIONS = ("truncate", "priority", "images", "inputs", "max_tokens")
LARGEST = 96
"""Texts of one request."""

_READ = frozenset(("model", "input", "input_type", "dimensions", "encoding_format", *EXTENSIONS))


class Embeddings:
    """Made for one request: the form of the vectors is the client's choice and not Cohere's."""

    def __init__(self) -> None:
        self._base64 = False

    def encode(self, body: JsonObject, ask: Ask) -> Encoded:
        """The body of ``/v2/embed``. Raises ``InvalidRequest`` for token arrays and for more than 96 texts."""
        self._base64 = body.get("encoding_format") == "base64"
        found: JsonObject = {
            "model": ask.model, "input_type": body.get("input_type") or "search_document", "embedding_types": ["float"]
        }  # fmt: skip
        given = body.get("input")
        if given is not None:
            found["texts"] = _texts(given)
        elif body.get("images") is None and body.get("inputs") is None:
            raise InvalidRequest("input is missing: send a string or a list of strings.", param="input")
        if body.get("dimensions") is not None:
            found["output_dimension"] = body["dimensions"]
        for name in EXTENSIONS:
            if body.get(name) is not None:
                found[name] = body[name]
        for name, value in body.items():
            if name not in _READ and value is not None:
                ask.notes.drop(name[:64])
        return Encoded(path="/v2/embed", body=dumps(found))

    def decode(self, body: bytes, ask: Ask) -> JsonObject:
        """OpenAI's list of embeddings. Raises ``UpstreamError``."""
        document = json_of(body)
        if document is None:
            raise UpstreamInvalid("Cohere's answer is no JSON object.")
        if "embeddings" not in document:
            raise error_inside(body, document)
        vectors = _vectors(document["embeddings"])
        if vectors is None:
            raise UpstreamInvalid("Cohere's answer holds no embeddings as numbers.")
        data: list[Json] = [
            {"object": "embedding", "index": index, "embedding": _packed(vector) if self._base64 else vector}
            for index, vector in enumerate(vectors)
        ]
        found: JsonObject = {"object": "list", "data": data, "model": ask.model}
        usage = _usage(obj(document.get("meta")))
        if usage is not None:
            found["usage"] = usage
        return found

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError:
        """A non-2xx answer."""
        return error_of(status, headers, body)

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Headers that reach the client."""
        return headers_of(headers)


def _texts(given: Json) -> list[Json]:
    texts: list[Json] = [given] if isinstance(given, str) else items(given)
    if not texts or not all(isinstance(item, str) for item in texts):
        raise InvalidRequest(
            "Cohere embeds text, not token ids: send input as a string or a list of strings (LangChain: "
            "check_embedding_ctx_length=False).",
            param="input",
        )
    if len(texts) > LARGEST:
        raise InvalidRequest(
            f"Cohere embeds at most {LARGEST} texts a request and this one has {len(texts)}; send them in parts.",
            param="input",
        )
    return texts


def _vectors(value: Json) -> list[Json] | None:
    """Cohere's vectors by type, or the bare list of older deployments."""
    found = value.get("float", value.get("float_")) if isinstance(value, dict) else value
    if not isinstance(found, list) or not all(isinstance(vector, list) for vector in found):
        return None
    return found


def _packed(vector: Json) -> str:
    """A vector as base64 of little-endian 32-bit floats, OpenAI's ``base64``."""
    values = [number(value) for value in items(vector)]
    try:
        return b64encode(pack(f"<{len(values)}f", *values)).decode()
    except (struct_error, OverflowError):
        raise UpstreamInvalid("Cohere's answer holds an embedding that is no list of numbers.") from None


def _usage(meta: JsonObject) -> JsonObject | None:
    """Tokens of the request; Cohere bills pictures apart, in ``image_tokens``."""
    billed = obj(meta.get("billed_units"))
    figures = (obj(meta.get("tokens")).get("input_tokens"), billed.get("input_tokens"), billed.get("image_tokens"))
    seen, paid, pictures = (count(figure) for figure in figures)
    if seen is None and paid is None and pictures is None:
        return None
    total = seen if seen is not None else (paid or 0) + (pictures or 0)
    found: JsonObject = {"prompt_tokens": total, "total_tokens": total}
    units = billed_units(billed)
    if units:
        found["billed_units"] = units
    return found
