"""Takes a multipart/form-data body apart, also one of which only the beginning was kept."""

from email.message import Message

from msgspec import Struct

from .reply import Call, Object, Refused


class Part(Struct, frozen=True):
    """A field or a file; `size` counts the bytes that were sent, of which `data` may hold only the first."""

    name: str
    filename: str | None
    content_type: str
    data: bytes
    size: int

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


class Form(Struct, frozen=True):
    """The parts of a form in order."""

    parts: list[Part]

    def text(self, name: str, default: str = "") -> str:
        """Return the last text field of that name."""
        return next(
            (part.text for part in reversed(self.parts) if part.name == name and part.filename is None), default
        )

    def files(self, *names: str) -> list[Part]:
        """Return the files sent under any of the names."""
        return [part for part in self.parts if part.filename is not None and part.name in names]

    def file(self, *names: str) -> Part:
        """Return the first file sent under any of the names; refuse a form without it."""
        found = self.files(*names)
        if not found:
            raise Refused(
                f"Missing required parameter: '{names[0]}'.", param=names[0], code="missing_required_parameter"
            )
        return found[0]

    def document(self) -> Object:
        """Return the text fields as an object."""
        return {part.name: part.text for part in self.parts if part.filename is None}


def _parameters(header: str) -> dict[str, str]:
    message = Message()
    message["content-disposition"] = header
    found = message.get_params(header="content-disposition", failobj=[]) or []
    return {str(name).lower(): value if isinstance(value, str) else str(value[2]) for name, value in found}


def form_of(call: Call) -> Form:
    """Return the form that `call` carries; refuse another kind of body."""
    kind = call.headers.get("content-type", "")
    boundary = _parameters(kind).get("boundary", "")
    if not kind.lower().startswith("multipart/form-data") or not boundary:
        raise Refused(
            f"Unsupported content type: '{kind}'. This API method only accepts 'multipart/form-data' requests.",
            status=415,
            code="unsupported_content_type",
        )
    mark = b"\r\n--" + boundary.encode("latin-1", "replace")
    body = b"\r\n" + call.body
    missing = call.length - len(call.body)
    pieces = body.split(mark)
    if len(pieces) < 2 or (not missing and not pieces[-1].startswith(b"--")):
        raise Refused(
            "The multipart body could not be read: its boundary or its end is missing.", code="invalid_multipart"
        )
    last = len(pieces) if missing else len(pieces) - 1
    parts = []
    for index in range(1, last):
        cut = missing - len(mark) - 4 if index == last - 1 and missing else 0
        part = _part(pieces[index], cut)
        if part is not None:
            parts.append(part)
    return Form(parts)


def _part(piece: bytes, cut: int) -> Part | None:
    head, blank, data = piece.partition(b"\r\n\r\n")
    if not blank:
        return None
    headers: dict[str, str] = {}
    for line in head.split(b"\r\n"):
        name, _, value = line.decode("utf-8", "replace").partition(":")
        headers[name.strip().lower()] = value.strip()
    found = _parameters(headers.get("content-disposition", ""))
    if "name" not in found:
        return None
    kind = headers.get("content-type", "application/octet-stream")
    return Part(found["name"], found.get("filename"), kind, data, len(data) + max(cut, 0))
