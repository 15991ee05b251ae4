"""Images, audio, video and files of a message as Gemini's ``inlineData`` (bytes in the request) or ``fileData`` (a reference)."""

import re
from base64 import b64encode
from mimetypes import guess_type
from urllib.parse import unquote_to_bytes

from ...errors import InvalidRequest
from ...wire.values import JsonObject, obj, text
from .family import Family

FILES = "https://generativelanguage.googleapis.com/v1beta/"
"""Where AI Studio's Files API keeps what was uploaded; a file is named by its whole URL."""

_HELD = re.compile(r"https://(?:generativelanguage\.googleapis\.com/|(?:www\.|m\.)?youtube\.com/|youtu\.be/)")
"""References that every model of AI Studio takes."""

_DATA = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),")
_AUDIO = {"mp3": "audio/mp3", "wav": "audio/wav", "pcm16": "audio/pcm"}
_KINDS = {"image_url": "image/jpeg", "video_url": "video/mp4", "file": "application/pdf"}


class Media:
    """``vertex``: references to any public URL and to Cloud Storage are taken; AI Studio takes them from Gemini 3 on."""

    __slots__ = ("_fetches", "_vertex")

    def __init__(self, family: Family, *, vertex: bool) -> None:
        self._vertex = vertex
        self._fetches = family.major >= 3

    def part(self, part: JsonObject) -> JsonObject | None:
        """A content part of chat as Gemini's; ``None`` for a type it has no word for. Raises ``InvalidRequest``."""
        kind = text(part.get("type"))
        if kind in ("image_url", "video_url"):
            given = part.get(kind)
            url = given if isinstance(given, str) else text(obj(given).get("url"))
            return self._of_url(url, kind)
        if kind == "input_audio":
            audio = obj(part.get("input_audio"))
            form = text(audio.get("format")) or "wav"
            return _inline(_AUDIO.get(form, f"audio/{form}"), text(audio.get("data")))
        return self._of_file(obj(part.get("file"))) if kind == "file" else None

    def _of_file(self, file: JsonObject) -> JsonObject:
        data = text(file.get("file_data"))
        if data.startswith(("data:", "http://", "https://", "gs://")):
            return self._of_url(data, "file")
        if data:
            return _inline(guess_type(text(file.get("filename")))[0] or _KINDS["file"], data)
        ident = text(file.get("file_id"))
        if not self._vertex and ident.startswith("files/"):
            ident = FILES + ident
        if ident.startswith(("https://", "gs://")):
            return self._of_url(ident, "file")
        raise InvalidRequest(
            "A file is sent to Gemini as file_data (a data URL), or as a file_id that is a URI of Google's own file storage.",
            param="messages",
        )

    def _of_url(self, url: str, kind: str) -> JsonObject:
        if url.startswith("data:"):
            return _of_data(url, kind)
        path = url.partition("?")[0]
        if not url.startswith(("https://", "http://", "gs://")):
            raise InvalidRequest(f"The URL of {kind!r} must be a data URL or an absolute URL.", param="messages")
        held = not self._vertex and _HELD.match(url) is not None
        mime = guess_type(path)[0] or (None if held else _KINDS[kind])
        if mime == "image/gif":
            raise _gif()
        if not (self._vertex or held or (self._fetches and url.startswith("https://"))):
            raise InvalidRequest(
                "This Gemini model does not fetch URLs; send the content itself as a data URL "
                "(data:<media type>;base64,<data>).",
                param="messages",
                code="invalid_image_url",
            )
        file: JsonObject = {"fileUri": url}
        return {"fileData": {"mimeType": mime, **file} if mime else file}


def _of_data(url: str, kind: str) -> JsonObject:
    head = _DATA.match(url)
    if head is None:
        raise InvalidRequest("A data URL has the form data:<media type>;base64,<data>.", param="messages")
    data = url[head.end() :]
    if ";base64" not in head[2].lower():
        data = b64encode(unquote_to_bytes(data)).decode()
    return _inline(head[1].lower() or _KINDS[kind], data)


def _inline(mime: str, data: str) -> JsonObject:
    if mime == "image/gif":
        raise _gif()
    if not data:
        raise InvalidRequest("A media part of a message is empty.", param="messages")
    return {"inlineData": {"mimeType": mime, "data": data}}


def _gif() -> InvalidRequest:
    return InvalidRequest(
        "Gemini takes no GIF images; send PNG, JPEG, WebP, HEIC or HEIF.", param="messages", code="invalid_image_format"
    )


def resolution(parts: list[JsonObject]) -> str:
    """``mediaResolution`` for the ``detail`` of a request's images: the highest one that is asked for; empty for none."""
    details = {text(obj(part.get("image_url")).get("detail")) for part in parts}
    if "high" in details or "original" in details:
        return "MEDIA_RESOLUTION_HIGH"
    return "MEDIA_RESOLUTION_LOW" if "low" in details and "auto" not in details else ""
