"""Content parts of the Responses API as chat's."""

from ...errors import InvalidRequest
from ...wire.values import Json, JsonObject, obj, objects, text
from ..ask import Ask

_TEXTS = frozenset(("input_text", "output_text", "text", "summary_text", "reasoning_text"))


def chat_parts(content: list[Json], where: str, ask: Ask) -> list[Json]:
    """Parts of a message of the user, or of a tool's output."""
    found: list[Json] = []
    for index, part in enumerate(objects(content)):
        made = _part(part, f"{where}.content.{index}", ask)
        if made is not None:
            mark = part.get("cache_control")
            found.append({**made, "cache_control": mark} if isinstance(mark, dict) else made)
    return found


def _part(part: JsonObject, where: str, ask: Ask) -> JsonObject | None:
    kind = text(part.get("type"))
    if kind in _TEXTS:
        return {"type": "text", "text": text(part.get("text"))}
    if kind == "refusal":
        return {"type": "text", "text": text(part.get("refusal"))}
    if kind == "input_image":
        return _image(part, where)
    if kind == "input_file":
        return _file(part, where)
    if kind == "input_audio":
        return {"type": "input_audio", "input_audio": obj(part.get("input_audio"))}
    ask.notes.drop(f"input[].content[].{kind or 'type'}")
    return None


def _image(part: JsonObject, where: str) -> JsonObject:
    url = text(part.get("image_url"))
    if not url:
        raise InvalidRequest(
            f"{where}: an image stored with OpenAI cannot be read by this model; send it as image_url.", param=where
        )
    image: JsonObject = {"url": url}
    if text(part.get("detail")):
        image["detail"] = part["detail"]
    return {"type": "image_url", "image_url": image}


def _file(part: JsonObject, where: str) -> JsonObject:
    if text(part.get("file_data")):
        file: JsonObject = {"file_data": part["file_data"]}
        if text(part.get("filename")):
            file["filename"] = part["filename"]
        return {"type": "file", "file": file}
    if text(part.get("file_id")):
        return {"type": "file", "file": {"file_id": part["file_id"]}}
    raise InvalidRequest(f"{where}: a file by URL cannot be read by this model; send it as file_data.", param=where)


def plain_text(content: str | list[Json]) -> tuple[str, str]:
    """What the model said in a message, and what it refused."""
    if isinstance(content, str):
        return content, ""
    parts = objects(content)
    spoken = [text(part.get("text")) for part in parts if part.get("type") != "refusal"]
    refused = [text(part.get("refusal")) for part in parts if part.get("type") == "refusal"]
    return "".join(spoken), "".join(refused)
