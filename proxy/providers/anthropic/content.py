"""Parts of chat messages as Anthropic's content blocks."""

from base64 import b64decode, b64encode
from urllib.parse import unquote_to_bytes

from ...errors import InvalidRequest
from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, obj, text
from .host import Host

IMAGES = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/png": "image/png",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
"""Media types that Claude sees, and the spelling it takes."""

NATIVE = frozenset(("container_upload", "document", "image", "search_result"))
"""Anthropic's own blocks that a chat message may carry as they are."""

PDF = "application/pdf"


class Parts:
    """Translates the parts of one request's messages."""

    __slots__ = ("_ask", "_host", "files")

    def __init__(self, ask: Ask, host: Host) -> None:
        self._ask = ask
        self._host = host
        self.files = False
        """Was an uploaded file named?"""

    def blocks(self, content: Json) -> list[JsonObject]:
        """A message's content; blank text is left out, for Anthropic refuses it. Raises ``InvalidRequest`` for what Claude cannot read."""
        if isinstance(content, str):
            return [{"type": "text", "text": content}] if content and not content.isspace() else []
        if not isinstance(content, list):
            return []
        found = []
        for part in content:
            block = self._block({"type": "text", "text": part} if isinstance(part, str) else obj(part))
            if block is not None:
                found.append(block)
        return found

    def _block(self, part: JsonObject) -> JsonObject | None:
        kind = part.get("type")
        if kind in ("text", "refusal", "input_text", "output_text"):
            said = text(part.get("refusal" if kind == "refusal" else "text"))
            if not said or said.isspace():
                return None
            block: JsonObject = {"type": "text", "text": said}
        elif kind == "image_url":
            block = {"type": "image", "source": self._image(part)}
        elif kind == "file":
            block = self._file(obj(part.get("file")))
        elif isinstance(kind, str) and kind in NATIVE:
            return part
        else:
            raise unsupported(text(kind))
        if isinstance(part.get("cache_control"), dict):
            block["cache_control"] = part["cache_control"]
        return block

    def _image(self, part: JsonObject) -> JsonObject:
        image = part.get("image_url")
        url = image if isinstance(image, str) else text(obj(image).get("url"))
        if obj(image).get("detail") not in (None, "auto"):
            self._ask.notes.drop("messages[].content[].image_url.detail")
        if not url.startswith("data:"):
            if not self._host.image_urls:
                raise InvalidRequest(
                    "This provider does not fetch images; send the image as a base64 data URL.",
                    param="messages",
                    code="unsupported_image_url",
                )
            return {"type": "url", "url": url}
        kind, data = media(url)
        known = IMAGES.get(kind)
        if known is None:
            raise InvalidRequest(
                f"Claude cannot see images of type {kind[:100]!r}; send JPEG, PNG, GIF or WebP.",
                param="messages",
                code="unsupported_content_part",
            )
        return {"type": "base64", "media_type": known, "data": data}

    def _file(self, file: JsonObject) -> JsonObject:
        name, data, ident = text(file.get("filename")), text(file.get("file_data")), text(file.get("file_id"))
        if data:
            kind, data = media(data) if data.startswith("data:") else (_type_of(name), data)
            if kind in IMAGES:
                return {"type": "image", "source": {"type": "base64", "media_type": IMAGES[kind], "data": data}}
            block: JsonObject = {"type": "document", "source": _document(kind, data)}
        elif ident.startswith("file_"):
            self.files = True
            block = {"type": "document", "source": {"type": "file", "file_id": ident}}
        else:
            raise InvalidRequest(
                "A file part needs file_data, or the file_id of a file at Anthropic; ids of other providers mean nothing there.",
                param="messages",
                code="unsupported_content_part",
            )
        if name:
            block["title"] = name
        return block


def unsupported(kind: str) -> InvalidRequest:
    """The refusal of a part that no Claude model reads."""
    return InvalidRequest(
        f"Claude cannot read content parts of type {kind[:100]!r}; send text, image_url or file parts.",
        param="messages",
        code="unsupported_content_part",
    )


def media(url: str) -> tuple[str, str]:
    """Media type and base64 of a data URL, its other parameters (``charset``) left out."""
    head, _, data = url[5:].partition(",")
    kind, *parameters = head.split(";")
    if "base64" not in (parameter.strip().lower() for parameter in parameters):
        data = b64encode(unquote_to_bytes(data)).decode()
    return kind.strip().lower() or "text/plain", data


def _type_of(name: str) -> str:
    """A bare ``file_data`` says nothing of its type; the name may."""
    return "text/plain" if name.lower().endswith((".txt", ".md", ".csv", ".json", ".html")) else PDF


def _document(kind: str, data: str) -> JsonObject:
    if kind == PDF:
        return {"type": "base64", "media_type": PDF, "data": data}
    if kind.startswith("text/") or kind == "application/json":
        try:
            plain = b64decode(data).decode("utf-8", "replace")
        except ValueError as error:
            raise InvalidRequest("A file part's file_data is not base64.", param="messages") from error
        return {"type": "text", "media_type": "text/plain", "data": plain}
    raise InvalidRequest(
        f"Claude cannot read files of type {kind[:100]!r}; send a PDF, an image or text.",
        param="messages",
        code="unsupported_content_part",
    )
