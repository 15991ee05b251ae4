"""Parts of chat messages as Converse's content blocks."""

import re
from base64 import b64encode
from urllib.parse import unquote_to_bytes

from ...errors import InvalidRequest
from ...wire.values import Json, JsonObject, obj, text
from .draft import Draft, unsupported

IMAGES = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "application/json": "txt",
}
VIDEOS = {
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_SUFFIXES = ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md")
_AUDIO = frozenset("mp3 opus wav aac flac mp4 ogg mkv mka x-aac m4a mpeg mpga pcm webm".split())

_ILLEGAL = re.compile(r"[^A-Za-z0-9\s()\[\]-]")
_SPACES = re.compile(r"\s+")
_LONGEST_NAME = 190
"""Of Converse's 200 characters; the rest is for the mark that makes a name unique."""


def blocks_of(content: Json, draft: Draft) -> list[JsonObject]:
    """A message's content; blank text is left out, for Converse refuses it. Raises ``InvalidRequest`` for what has no block."""
    if isinstance(content, str):
        return [{"text": content}] if content and not content.isspace() else []
    if content is None:
        return []
    if not isinstance(content, list):
        raise InvalidRequest("A message's content must be a string or a list of parts.", param="messages")
    found: list[JsonObject] = []
    for part in content:
        block = _block(part, draft)
        if block is None:
            continue
        found.append(block)
        if isinstance(part, dict) and "cache_control" in part:
            found += draft.cache_point(part["cache_control"])
    return found


def _block(part: Json, draft: Draft) -> JsonObject | None:
    if not isinstance(part, dict):
        part = {"type": "text", "text": part}
    match part.get("type"):
        case "text" | "input_text" | "output_text":
            return _text(text(part.get("text")))
        case "refusal":
            return _text(text(part.get("refusal")))
        case "image_url":
            return _image(part, draft)
        case "file":
            return _file(obj(part.get("file")), draft)
        case "input_audio":
            return _audio(obj(part.get("input_audio")), draft)
        case "video_url":
            return _video(part)
        case kind:
            raise unsupported(
                f"Bedrock cannot read content parts of type {text(kind)[:100]!r}; send text, image_url, file, input_audio or "
                "video_url parts."
            )


def _text(said: str) -> JsonObject | None:
    return {"text": said} if said and not said.isspace() else None


def _url(part: JsonObject, name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) else text(obj(value).get("url"))


def _source(url: str, what: str) -> tuple[str, JsonObject]:
    """Media type (empty for a place in S3) and Converse's ``source``."""
    if url.startswith("s3://"):
        return "", {"s3Location": {"uri": url}}
    if not url.startswith("data:"):
        raise InvalidRequest(
            f"Bedrock does not fetch {what}s; send the {what} as a base64 data URL.",
            param="messages",
            code="unsupported_image_url" if what == "image" else "unsupported_content_part",
        )
    kind, data = media(url)
    if not data:
        raise unsupported(f"The data URL of the {what} is empty.")
    return kind, {"bytes": data}


def media(url: str) -> tuple[str, str]:
    """Media type and base64 of a data URL, its other parameters (``charset``) left out."""
    head, _, data = url[5:].partition(",")
    kind, *parameters = head.split(";")
    if "base64" not in (parameter.strip().lower() for parameter in parameters):
        data = b64encode(unquote_to_bytes(data)).decode()
    return kind.strip().lower() or "text/plain", data


def _image(part: JsonObject, draft: Draft) -> JsonObject:
    if obj(part.get("image_url")).get("detail") not in (None, "auto"):
        draft.notes.drop("messages[].content[].image_url.detail")
    url = _url(part, "image_url")
    kind, source = _source(url, "image")
    shape = IMAGES.get(kind) if kind else IMAGES.get(f"image/{url.rpartition('.')[2].lower()}")
    if shape is None:
        raise unsupported(f"Bedrock cannot see images of type {kind[:100]!r}; send PNG, JPEG, GIF or WebP.")
    return {"image": {"format": shape, "source": source}}


def _video(part: JsonObject) -> JsonObject:
    url = _url(part, "video_url")
    kind, source = _source(url, "video")
    shape = VIDEOS.get(kind) if kind else url.rpartition(".")[2].lower()
    if shape not in VIDEOS.values():
        raise unsupported(f"Bedrock cannot read videos of type {kind[:100]!r}; send MP4, MOV, MKV or WebM.")
    return {"video": {"format": shape, "source": source}}


def _audio(audio: JsonObject, draft: Draft) -> JsonObject:
    shape, data = text(audio.get("format")).lower(), text(audio.get("data"))
    if not draft.family.audio:
        raise unsupported("Claude cannot hear audio; send a transcript.")
    if shape not in _AUDIO or not data:
        raise unsupported("Audio must be base64 in 'data' with its 'format': wav, mp3, flac, ogg, opus, aac or m4a.")
    return {"audio": {"format": shape, "source": {"bytes": data}}}


def _file(file: JsonObject, draft: Draft) -> JsonObject:
    name, given = text(file.get("filename")), text(file.get("file_data"))
    if not given:
        raise unsupported(
            "A file part needs 'file_data': a base64 data URL, or an s3:// address; Bedrock stores no files, so a file_id means nothing there."
        )
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    if given.startswith(("data:", "s3://")):
        kind, source = _source(given, "file")
    else:
        kind, source = "", {"bytes": given}
    if kind in IMAGES:
        return {"image": {"format": IMAGES[kind], "source": source}}
    shape = DOCUMENTS.get(kind) or (suffix if suffix in _SUFFIXES else None)
    if shape is None:
        if kind.startswith("text/"):
            shape = "txt"
        elif kind in ("", "application/octet-stream"):
            shape = "pdf"
        else:
            raise unsupported(f"Bedrock cannot read files of type {kind[:100]!r}; send PDF, Office, CSV, HTML or text.")
    return {"document": {"format": shape, "name": document_name(name, draft), "source": source}}


def document_name(name: str, draft: Draft) -> str:
    """Letters, digits, single spaces, hyphens, parentheses and brackets; unique in the request."""
    stem, dot, suffix = name.rpartition(".")
    plain = stem if dot and suffix.lower() in _SUFFIXES else name
    plain = _SPACES.sub(" ", _ILLEGAL.sub(" ", plain)).strip()[:_LONGEST_NAME].strip() or "document"
    found, number = plain, 1
    while found in draft.documents:
        number += 1
        found = f"{plain} ({number})"
    draft.documents.add(found)
    return found
