"""POST /rerank, the surface that Cohere, Jina and Together share; Cohere's /v2/rerank is the same."""

from .reply import Call, Object, Refused, Reply, count_of, json_reply, model_of, required, text_of
from .store import Route
from .text import identifier, text_tokens, vector

_DIMENSIONS = 256


def _document(item: object) -> str:
    if isinstance(item, str):
        return item
    text = item.get("text") if isinstance(item, dict) else None
    if not isinstance(text, str):
        raise Refused("invalid type: parameter documents must be strings or objects with text", param="documents")
    return text


def ranked(call: Call, query: str, documents: list[str], top: int | None) -> list[Object]:
    """Return index and score of the documents, best first: texts that share words with the query come first."""
    seed = call.controls.seed % 2**64
    wanted = memoryview(vector(seed, query, _DIMENSIONS)).cast("f")

    def score(text: str) -> float:
        given = memoryview(vector(seed, text, _DIMENSIONS)).cast("f")
        product = sum(one * other for one, other in zip(wanted, given, strict=True))
        return round((product + 1) / 2, 6)

    scored = [(score(text), index) for index, text in enumerate(documents)]
    scored.sort(key=lambda found: (-found[0], found[1]))
    return [{"index": index, "relevance_score": value} for value, index in scored[:top]]


def rerank(call: Call) -> Reply:
    """Order documents by how many words they share with the query."""
    document = call.document()
    model = model_of(document)
    query = text_of(document, "query")
    required(document, "documents")
    given = document["documents"]
    if not isinstance(given, list) or not given:
        raise Refused("invalid request: list of documents must not be empty", param="documents")
    texts = [_document(item) for item in given]
    top = count_of(document, "top_n", least=1)
    results = ranked(call, query, texts, top)
    if document.get("return_documents") is True:
        results = [{**found, "document": {"text": texts[int(str(found["index"]))]}} for found in results]
    tokens = text_tokens(query) + sum(map(text_tokens, texts))
    answer: Object = {"id": identifier("", call.derive("rerank", document)), "results": results}
    if call.path.startswith("/v2/"):
        answer["meta"] = {"api_version": {"version": "2"}, "billed_units": {"search_units": (len(texts) + 99) // 100}}
    else:
        answer |= {"model": model, "usage": {"total_tokens": tokens}, "meta": {"billed_units": {"search_units": 1}}}
    return json_reply(answer)


ROUTES = (Route("POST", "/rerank", rerank),)
