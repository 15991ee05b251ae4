"""Raw invocations of Bedrock's embedding and reranking models, each in the words of its vendor."""

from array import array

from .reply import Call, Object, Refused, Reply, json_reply
from .rerank import ranked
from .text import text_tokens, vector


def _vector(call: Call, text: str, dimensions: int) -> list[float]:
    return array("f", vector(call.controls.seed % 2**64, text, dimensions)).tolist()


def _malformed(what: str) -> Refused:
    return Refused(f"Malformed input request: #: {what}, please reformat your input and try again.")


def invoked(call: Call, model: str) -> Reply:
    """Answer for the embedding or reranking model that `model` names."""
    if model.startswith("missing-"):
        raise Refused("The provided model identifier is invalid.")
    if "titan-embed" in model:
        return _titan(call)
    if "cohere.embed" in model:
        return _cohere(call)
    if "cohere.rerank" in model or "amazon.rerank" in model:
        return _ranks(call, cohere="cohere.rerank" in model)
    raise Refused(
        f"The mock answers invocations of titan-embed, cohere.embed, rerank and anthropic models, not of {model}."
    )


def _titan(call: Call) -> Reply:
    document = call.document()
    text = document.get("inputText")
    if not isinstance(text, str) or not text:
        raise _malformed("required key [inputText] not found")
    for name in document:
        if name not in ("inputText", "dimensions", "normalize", "embeddingTypes"):
            raise _malformed(f"extraneous key [{name}] is not permitted")
    dimensions = document.get("dimensions", 1024)
    if dimensions not in (256, 512, 1024):
        raise _malformed("dimensions must be one of 256, 512, 1024")
    assert isinstance(dimensions, int)
    values = _vector(call, text, dimensions)
    answer: Object = {"embedding": values, "embeddingsByType": {"float": values}}
    return json_reply({**answer, "inputTextTokenCount": text_tokens(text)})


def _cohere(call: Call) -> Reply:
    document = call.document()
    texts = document.get("texts")
    if not isinstance(texts, list) or not 1 <= len(texts) <= 96 or not all(isinstance(text, str) for text in texts):
        raise _malformed("texts must hold 1 to 96 strings")
    if not document.get("input_type"):
        raise _malformed("required key [input_type] not found")
    wanted = document.get("output_dimension", 1024)
    values = [
        _vector(call, text, wanted if isinstance(wanted, int) and 1 <= wanted <= 1536 else 1024) for text in texts
    ]
    typed = document.get("embedding_types")
    answer: Object = {
        "id": "mock",
        "texts": texts,
        "response_type": "embeddings_by_type" if typed else "embeddings_floats",
    }
    return json_reply({**answer, "embeddings": {"float": values} if typed else values})


def _ranks(call: Call, *, cohere: bool) -> Reply:
    document = call.document()
    query, documents, top = document.get("query"), document.get("documents"), document.get("top_n")
    if not isinstance(query, str) or not isinstance(documents, list) or not documents:
        raise _malformed("required key [query] or [documents] not found")
    if cohere and document.get("api_version") != 2:
        raise _malformed("api_version: value must be 2")
    if top is not None and (not isinstance(top, int) or top < 1):
        raise _malformed("top_n must be a positive integer")
    return json_reply({"results": ranked(call, query, [str(text) for text in documents], top)})
