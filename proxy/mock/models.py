"""Models, embeddings and moderations."""

from array import array
from base64 import b64encode

from .reply import Call, Object, Refused, Reply, count_of, json_reply, known_model, model_of, required
from .store import Route, deleted
from .text import created, digest, identifier, stream, text_tokens, vector

NAMES = (
    "gpt-6-luna",
    "gpt-5.2",
    "gpt-4o",
    "gpt-4o-mini",
    "o4-mini",
    "small",
    "large",
    "ft:gpt-4o-mini:acme::abc123",
    "acme/roadrunner-7b",
    "text-embedding-3-small",
    "text-embedding-3-large",
    "omni-moderation-latest",
    "gpt-image-1",
    "gpt-4o-mini-tts",
    "whisper-1",
    "gpt-realtime",
)
_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


def _model(name: str) -> Object:
    seed = digest(b"model", name.encode("utf-8", "surrogatepass"))
    return {"id": name, "object": "model", "created": created(seed), "owned_by": "tollway-mock"}


def models(call: Call) -> Reply:
    return json_reply({"object": "list", "data": [_model(name) for name in NAMES]})


def model(call: Call) -> Reply:
    return json_reply(_model(known_model(call.params[0])))


def delete_model(call: Call) -> Reply:
    if not call.params[0].startswith("ft:"):
        raise Refused(
            "You have insufficient permissions for this operation.", status=403, code="insufficient_permissions"
        )
    return json_reply(deleted(call.params[0], "model"))


def _inputs(value: object) -> list[str]:
    """Return the texts of an embeddings request; token lists count as their decimal text."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        raise Refused("'$.input' is invalid. Please check the API reference.", param="input")
    if all(isinstance(item, int) for item in value):
        return [" ".join(map(str, value))]
    if len(value) > 2048:
        raise Refused("'$.input' is invalid: at most 2048 items.", param="input", code="array_above_max_length")
    texts = []
    for item in value:
        if isinstance(item, list):
            texts.append(" ".join(map(str, item)))
        elif isinstance(item, str):
            texts.append(item)
        else:
            raise Refused("'$.input' is invalid. Please check the API reference.", param="input")
    return texts


def embeddings(call: Call) -> Reply:
    """Answer with one unit vector for each input."""
    document = call.document()
    name = model_of(document)
    texts = _inputs(required(document, "input"))
    form = document.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise Refused(
            f"Invalid value: '{form}'. Supported values are: 'float' and 'base64'.",
            param="encoding_format",
            code="invalid_value",
        )
    dimensions = count_of(document, "dimensions", least=1, most=4096) or (3072 if name.endswith("-large") else 1536)
    data: list[Object] = []
    for index, text in enumerate(texts):
        packed = vector(call.controls.seed % 2**64, text, dimensions)
        value = b64encode(packed).decode() if form == "base64" else array("f", packed).tolist()
        data.append({"object": "embedding", "index": index, "embedding": value})
    tokens = sum(max(text_tokens(text), 1) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_reply({"object": "list", "data": data, "model": name, "usage": usage})


def moderations(call: Call) -> Reply:
    """Flag nothing but what says `mock-flag`."""
    document = call.document()
    given = required(document, "input")
    items = given if isinstance(given, list) else [given]
    if any(isinstance(item, dict) for item in items):
        items = [items]
    results: list[Object] = []
    for item in items:
        flagged = "mock-flag" in str(item)
        numbers = stream(call.derive("moderation", item))
        scores = {name: (next(numbers) % 1000) / 1_000_000 for name in _CATEGORIES}
        if flagged:
            scores["violence"] = 0.97
        results.append(
            {
                "flagged": flagged,
                "categories": {name: score > 0.5 for name, score in scores.items()},
                "category_scores": scores,
                "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
            }
        )
    seed = call.derive("moderation", given)
    model = document.get("model") or "omni-moderation-latest"
    return json_reply({"id": identifier("modr-", seed), "model": model, "results": results})


ROUTES = (
    Route("GET", "/models", models),
    Route("GET", "/models/{id...}", model),
    Route("DELETE", "/models/{id...}", delete_model),
    Route("POST", "/embeddings", embeddings),
    Route("POST", "/moderations", moderations),
)
