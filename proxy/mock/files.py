"""Files, and uploads in parts; the bytes stay in memory, bounded."""

import re
from collections.abc import Mapping
from hashlib import sha256

from .multipart import Part, form_of
from .reply import Call, Object, Refused, Reply, count_of, json_reply, required, text_of
from .store import Route, deleted, listing
from .text import created, digest, identifier

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals", "batch_output")


def _file(call: Call, filename: str, purpose: str, data: bytes, size: int) -> Object:
    """Keep a file; the same name, purpose and bytes are the same file."""
    seed = digest(
        filename.encode("utf-8", "surrogatepass"), purpose.encode(), sha256(data).digest(), str(size).encode()
    )
    made: Object = {
        "id": identifier("file-", seed),
        "object": "file",
        "bytes": size,
        "created_at": created(seed),
        "expires_at": None,
        "filename": filename,
        "purpose": purpose,
        "status": "processed",
        "status_details": None,
    }
    call.store.put("files", str(made["id"]), made)
    call.store.put_content(str(made["id"]), data)
    return made


def create(call: Call) -> Reply:
    """Take a file in."""
    form = form_of(call)
    sent: Part = form.file("file")
    purpose = form.text("purpose")
    if not purpose:
        raise Refused("Missing required parameter: 'purpose'.", param="purpose", code="missing_required_parameter")
    if purpose not in _PURPOSES:
        raise Refused(f"'{purpose}' is not one of {list(_PURPOSES)} - 'purpose'", param="purpose", code="invalid_value")
    return json_reply(_file(call, sent.filename or "upload", purpose, sent.data, sent.size))


def every(call: Call) -> Reply:
    purpose = call.query.get("purpose")
    return listing(call, [item for item in call.store.all("files") if purpose in (None, item["purpose"])])


def one(call: Call) -> Reply:
    return json_reply(call.store.get("files", call.params[0]))


def remove(call: Call) -> Reply:
    call.store.remove("files", call.params[0])
    return json_reply(deleted(call.params[0], "file"))


def content(call: Call) -> Reply:
    """Return a file's bytes, or the range of them that was asked for."""
    made = call.store.get("files", call.params[0])
    disposition = ("content-disposition", f'attachment; filename="{made["filename"]}"')
    return ranged(call.store.content(call.params[0]), call.headers, "application/octet-stream", disposition)


def ranged(data: bytes, headers: Mapping[str, str], kind: str, *extra: tuple[str, str]) -> Reply:
    """Return `data`, or with 206 the one range of it that `Range` asks for."""
    accepts = (("accept-ranges", "bytes"), *extra)
    asked = _RANGE.fullmatch(headers.get("range", ""))
    if asked is None or asked.groups() == ("", ""):
        return Reply(content_type=kind, body=data, headers=accepts)
    first, last = asked.groups()
    if first:
        start, end = int(first), min(int(last), len(data) - 1) if last else len(data) - 1
    else:
        start, end = max(len(data) - int(last), 0), len(data) - 1
    if start > end:
        return Reply(status=416, content_type=kind, headers=(("content-range", f"bytes */{len(data)}"),))
    shown = ("content-range", f"bytes {start}-{end}/{len(data)}")
    return Reply(status=206, content_type=kind, body=data[start : end + 1], headers=(*accepts, shown))


def upload(call: Call) -> Reply:
    """Begin an upload in parts."""
    document = call.document()
    for name in ("filename", "purpose", "bytes", "mime_type"):
        required(document, name)
    seed = call.derive("upload", document)
    made: Object = {
        "id": identifier("upload_", seed),
        "object": "upload",
        "bytes": count_of(document, "bytes", least=0),
        "created_at": created(seed),
        "expires_at": created(seed) + 3600,
        "filename": text_of(document, "filename"),
        "purpose": text_of(document, "purpose"),
        "status": "pending",
        "file": None,
    }
    call.store.put("uploads", str(made["id"]), made)
    return json_reply(made)


def part(call: Call) -> Reply:
    """Take one part in."""
    _pending(call)
    sent = form_of(call).file("data")
    seed = digest(call.params[0].encode(), sha256(sent.data).digest(), str(sent.size).encode())
    key = identifier("part_", seed)
    made: Object = {"id": key, "object": "upload.part", "created_at": created(seed), "upload_id": call.params[0]}
    call.store.put("parts", key, {**made, "size": sent.size})
    call.store.put_content(key, sent.data)
    return json_reply(made)


def complete(call: Call) -> Reply:
    """Join the parts in the order named into a file."""
    pending = _pending(call)
    keys = required(call.document(), "part_ids")
    if not isinstance(keys, list):
        raise Refused("Invalid type for 'part_ids': expected an array.", param="part_ids", code="invalid_type")
    size = 0
    for key in keys:
        size += int(str(call.store.get("parts", str(key))["size"]))
    if size != pending["bytes"]:
        raise Refused(f"Expected {pending['bytes']} bytes in the parts, but got {size}.", param="part_ids")
    data = b"".join(call.store.content(str(key)) for key in keys)
    made = _file(call, str(pending["filename"]), str(pending["purpose"]), data, size)
    done = {**pending, "status": "completed", "file": made}
    call.store.put("uploads", call.params[0], done)
    return json_reply(done)


def cancel(call: Call) -> Reply:
    done = {**_pending(call), "status": "cancelled"}
    call.store.put("uploads", call.params[0], done)
    return json_reply(done)


def _pending(call: Call) -> Object:
    found = call.store.get("uploads", call.params[0])
    if found["status"] != "pending":
        raise Refused(f"Upload {call.params[0]} is {found['status']}.", code="invalid_upload_status")
    return found


ROUTES = (
    Route("POST", "/files", create),
    Route("GET", "/files", every),
    Route("GET", "/files/{id}", one),
    Route("DELETE", "/files/{id}", remove),
    Route("GET", "/files/{id}/content", content),
    Route("POST", "/uploads", upload),
    Route("POST", "/uploads/{id}/parts", part),
    Route("POST", "/uploads/{id}/complete", complete),
    Route("POST", "/uploads/{id}/cancel", cancel),
)
