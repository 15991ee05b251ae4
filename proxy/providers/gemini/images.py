"""OpenAI's image generation at Google: Imagen's ``predict``, and Gemini image models through ``generateContent``."""

from ...errors import InvalidRequest
from ...translation.ask import Ask, Encoded
from ...wire.values import Json, JsonObject, count, dumps, obj, object_in, objects, text
from .dialect import Address, GoogleAnswers, model_path
from .errors import error_within, no_answer
from .usage import usage_of

_READ = frozenset(("model", "prompt", "n", "size", "quality", "response_format", "aspect_ratio"))
_RATIOS = {"1:1": 1.0, "3:2": 1.5, "2:3": 2 / 3, "4:3": 4 / 3, "3:4": 0.75, "16:9": 16 / 9, "9:16": 9 / 16}
_IMAGEN_RATIOS = frozenset(("1:1", "4:3", "3:4", "16:9", "9:16"))
_SIZES = {"hd": "2K", "high": "2K", "4k": "4K"}


class Images(GoogleAnswers):
    """Stateless. Answers carry the images themselves (``b64_json``); Google keeps none under a URL."""

    def __init__(self, address: Address = model_path, *, vertex: bool = False) -> None:
        self._address = address
        self._vertex = vertex

    def encode(self, body: JsonObject, ask: Ask) -> Encoded:
        """Raises ``InvalidRequest`` for a request without a prompt."""
        prompt = text(body.get("prompt"))
        if not prompt:
            raise InvalidRequest("prompt is missing: say what the image shows.", param="prompt")
        if body.get("response_format") == "url":
            ask.notes.rewrite("response_format")
        for name, value in body.items():
            if name not in _READ and value is not None:
                ask.notes.drop(name[:80])
        imagen = "imagen" in ask.model
        ratio = text(body.get("aspect_ratio")) or _ratio(body.get("size"), ask, imagen=imagen)
        several = count(body.get("n")) or 1
        path = self._address(ask.model)
        if imagen:
            if body.get("quality") not in (None, "auto"):
                ask.notes.drop("quality")
            parameters: JsonObject = {"sampleCount": several, **({"aspectRatio": ratio} if ratio else {})}
            return Encoded(
                path=f"{path}:predict", body=dumps({"instances": [{"prompt": prompt}], "parameters": parameters})
            )
        if several > 1:
            ask.notes.drop("n")
        config: JsonObject = {"responseModalities": ["IMAGE"]}
        shape: JsonObject = {"aspectRatio": ratio} if ratio else {}
        quality = text(body.get("quality"))
        if quality in _SIZES:
            shape["imageSize"] = _SIZES[quality]
        elif quality not in ("", "auto", "standard", "medium"):
            ask.notes.drop("quality")
        if shape:
            config["imageConfig"] = shape
        sent: JsonObject = {"contents": [{"role": "user", "parts": [{"text": prompt}]}], "generationConfig": config}
        return Encoded(path=f"{path}:generateContent", body=dumps(sent))

    def decode(self, body: bytes, ask: Ask) -> JsonObject:
        """OpenAI's list of images. Raises ``UpstreamError``, also for an answer without any image."""
        document = object_in(body)
        if document is None:
            raise no_answer("is not a JSON object")
        failure = error_within(document)
        if failure is not None:
            raise failure
        data: list[Json] = []
        for prediction in objects(document.get("predictions")):
            if text(prediction.get("bytesBase64Encoded")):
                data.append({"b64_json": prediction["bytesBase64Encoded"]})
        for candidate in objects(document.get("candidates")):
            for part in objects(obj(candidate.get("content")).get("parts")):
                inline = obj(part.get("inlineData"))
                if text(inline.get("data")) and part.get("thought") is not True:
                    data.append({"b64_json": inline["data"]})
        if not data:
            raise no_answer(f"holds no image{_why(document)}")
        answer: JsonObject = {"created": ask.created, "data": data}
        usage = usage_of(document.get("usageMetadata"))
        if usage is not None:
            answer["usage"] = {
                "input_tokens": usage["prompt_tokens"],
                "output_tokens": usage["completion_tokens"],
                "total_tokens": usage["total_tokens"],
            }
        return answer


def _ratio(size: Json, ask: Ask, *, imagen: bool) -> str:
    """The aspect ratio nearest to ``1536x1024``; Google chooses the number of pixels."""
    width, mark, height = text(size).partition("x")
    if not (mark and width.isascii() and height.isascii() and width.isdigit() and height.isdigit() and int(height)):
        if size not in (None, "auto"):
            ask.notes.drop("size")
        return ""
    wanted = int(width) / int(height)
    allowed = [ratio for ratio in _RATIOS if not imagen or ratio in _IMAGEN_RATIOS]
    found = min(allowed, key=lambda ratio: abs(_RATIOS[ratio] - wanted))
    if size != "1024x1024":
        ask.notes.rewrite("size")
    return found


def _why(document: JsonObject) -> str:
    """The provider's reason, where it gives one."""
    blocked = text(obj(document.get("promptFeedback")).get("blockReason"))
    finishes = [text(candidate.get("finishReason")) for candidate in objects(document.get("candidates"))]
    filtered = [text(found.get("raiFilteredReason")) for found in objects(document.get("predictions"))]
    found = blocked or next((reason for reason in (*finishes, *filtered) if reason), "")
    return f": {found}"[:300] if found else ""
