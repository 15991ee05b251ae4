"""Small objects with a life of their own: batches, fine-tuning jobs, vector stores, conversations, videos."""

from collections.abc import Callable

import orjson

from .files import ranged
from .media import png
from .multipart import form_of
from .reply import Call, Object, Reply, json_reply, model_of, object_of, objects_of, required, text_of
from .store import Route, deleted, listing
from .text import created, identifier


def _made(call: Call, prefix: str, kind: str, document: Object) -> Object:
    seed = call.derive(kind, document)
    return {"id": identifier(prefix, seed), "object": kind, "created_at": created(seed)}


def _lister(kind: str) -> Callable[[Call], Reply]:
    return lambda call: listing(call, call.store.all(kind))


def _getter(kind: str) -> Callable[[Call], Reply]:
    return lambda call: json_reply(call.store.get(kind, call.params[0]))


def _setter(kind: str, status: str) -> Callable[[Call], Reply]:
    """Return a handler that gives the object another status."""

    def answer(call: Call) -> Reply:
        changed = {**call.store.get(kind, call.params[0]), "status": status}
        call.store.put(kind, call.params[0], changed)
        return json_reply(changed)

    return answer


def _updater(kind: str, *names: str) -> Callable[[Call], Reply]:
    """Return a handler that changes the members `names` of the object."""

    def answer(call: Call) -> Reply:
        document = call.document()
        changed = {
            **call.store.get(kind, call.params[0]),
            **{name: document[name] for name in names if name in document},
        }
        call.store.put(kind, call.params[0], changed)
        return json_reply(changed)

    return answer


def _remover(kind: str, name: str) -> Callable[[Call], Reply]:
    def answer(call: Call) -> Reply:
        call.store.remove(kind, call.params[0])
        return json_reply(deleted(call.params[0], name))

    return answer


def create_batch(call: Call) -> Reply:
    document = call.document()
    for name in ("input_file_id", "endpoint", "completion_window"):
        required(document, name)
    batch: Object = {
        **_made(call, "batch_", "batch", document),
        "endpoint": document["endpoint"],
        "errors": None,
        "input_file_id": document["input_file_id"],
        "completion_window": document["completion_window"],
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metadata": object_of(document, "metadata") or None,
    }
    call.store.put("batches", str(batch["id"]), batch)
    return json_reply(batch)


def create_job(call: Call) -> Reply:
    document = call.document()
    model = model_of(document)
    required(document, "training_file")
    job: Object = {
        **_made(call, "ftjob-", "fine_tuning.job", document),
        "model": model,
        "training_file": document["training_file"],
        "validation_file": document.get("validation_file"),
        "status": "queued",
        "fine_tuned_model": None,
        "organization_id": "org-mock",
        "result_files": [],
        "trained_tokens": None,
        "finished_at": None,
        "error": None,
        "hyperparameters": {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"},
        "seed": 0,
    }
    call.store.put("jobs", str(job["id"]), job)
    return json_reply(job)


def job_events(call: Call) -> Reply:
    job = call.store.get("jobs", call.params[0])
    happened: Object = {
        "id": f"{job['id']}-event",
        "object": "fine_tuning.job.event",
        "created_at": job["created_at"],
        "level": "info",
        "message": "Created fine-tuning job",
        "type": "message",
        "data": {},
    }
    return listing(call, [happened])


def job_checkpoints(call: Call) -> Reply:
    call.store.get("jobs", call.params[0])
    return listing(call, [])


def create_vector_store(call: Call) -> Reply:
    document = call.document()
    made: Object = {
        **_made(call, "vs_", "vector_store", document),
        "name": document.get("name"),
        "usage_bytes": 0,
        "file_counts": {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0},
        "status": "completed",
        "expires_after": document.get("expires_after"),
        "expires_at": None,
        "last_active_at": None,
        "metadata": object_of(document, "metadata"),
    }
    call.store.put("vector_stores", str(made["id"]), made)
    return json_reply(made)


def search_vector_store(call: Call) -> Reply:
    call.store.get("vector_stores", call.params[0])
    query = required(call.document(), "query")
    asked = query if isinstance(query, list) else [query]
    return json_reply(
        {
            "object": "vector_store.search_results.page",
            "search_query": asked,
            "data": [],
            "has_more": False,
            "next_page": None,
        }
    )


def _store_files(call: Call) -> str:
    return f"files of {call.store.get('vector_stores', call.params[0])['id']}"


def add_store_file(call: Call) -> Reply:
    kind = _store_files(call)
    key = str(required(call.document(), "file_id"))
    made: Object = {
        "id": key,
        "object": "vector_store.file",
        "created_at": created(call.derive(key)),
        "vector_store_id": call.params[0],
        "status": "completed",
        "usage_bytes": 0,
        "last_error": None,
        "attributes": object_of(call.document(), "attributes"),
    }
    call.store.put(kind, key, made)
    return json_reply(made)


def list_store_files(call: Call) -> Reply:
    return listing(call, call.store.all(_store_files(call)))


def get_store_file(call: Call) -> Reply:
    return json_reply(call.store.get(_store_files(call), call.params[1]))


def remove_store_file(call: Call) -> Reply:
    call.store.remove(_store_files(call), call.params[1])
    return json_reply(deleted(call.params[1], "vector_store.file.deleted"))


def create_conversation(call: Call) -> Reply:
    document = call.document()
    made = {**_made(call, "conv_", "conversation", document), "metadata": object_of(document, "metadata")}
    call.store.put("conversations", str(made["id"]), made)
    if document.get("items") is not None:
        _put_items(call, str(made["id"]), objects_of(document, "items"))
    return json_reply(made)


def _put_items(call: Call, conversation: str, items: list[Object]) -> list[Object]:
    kept = []
    for item in items:
        key = identifier("msg_", call.derive(conversation, item))
        content = item.get("content")
        if isinstance(content, str):
            content = [{"type": "input_text", "text": content}]
        shown: Object = {"type": "message", "status": "completed", **item, "content": content, "id": key}
        call.store.put(f"items of {conversation}", key, shown)
        kept.append(shown)
    return kept


def add_items(call: Call) -> Reply:
    call.store.get("conversations", call.params[0])
    required(call.document(), "items")
    kept = _put_items(call, call.params[0], objects_of(call.document(), "items"))
    first, last = (kept[0]["id"], kept[-1]["id"]) if kept else (None, None)
    return json_reply({"object": "list", "data": kept, "first_id": first, "last_id": last, "has_more": False})


def list_items(call: Call) -> Reply:
    call.store.get("conversations", call.params[0])
    return listing(call, call.store.all(f"items of {call.params[0]}"))


def get_item(call: Call) -> Reply:
    return json_reply(call.store.get(f"items of {call.params[0]}", call.params[1]))


def remove_item(call: Call) -> Reply:
    call.store.remove(f"items of {call.params[0]}", call.params[1])
    return json_reply(call.store.get("conversations", call.params[0]))


def remove_conversation(call: Call) -> Reply:
    call.store.remove("conversations", call.params[0])
    return json_reply(deleted(call.params[0], "conversation.deleted"))


def create_video(call: Call) -> Reply:
    document = call.document() if call.is_json else form_of(call).document()
    prompt = required(document, "prompt")
    made: Object = {
        **_made(call, "video_", "video", document),
        "model": text_of(document, "model", "sora-2"),
        "status": "completed",
        "progress": 100,
        "prompt": prompt,
        "seconds": str(document.get("seconds") or "4"),
        "size": text_of(document, "size", "720x1280"),
        "completed_at": None,
        "expires_at": None,
        "error": None,
        "remixed_from_video_id": None,
    }
    call.store.put("videos", str(made["id"]), made)
    return json_reply(made)


def video_content(call: Call) -> Reply:
    made = call.store.get("videos", call.params[0])
    seed = call.derive("video", made["id"])
    if call.query.get("variant") in ("thumbnail", "spritesheet"):
        return ranged(png(seed), call.headers, "image/png")
    filler = orjson.dumps({"mock": made["id"]})
    box = (16).to_bytes(4, "big") + b"ftypisom" + bytes(4)
    return ranged(box + (len(filler) + 8).to_bytes(4, "big") + b"free" + filler, call.headers, "video/mp4")


def remix_video(call: Call) -> Reply:
    source = call.store.get("videos", call.params[0])
    prompt = required(call.document(), "prompt")
    made = {**source, **_made(call, "video_", "video", {"of": source["id"], "prompt": prompt})}
    made |= {"prompt": prompt, "remixed_from_video_id": source["id"]}
    call.store.put("videos", str(made["id"]), made)
    return json_reply(made)


def client_secret(call: Call) -> Reply:
    """Return an ephemeral key, which is no key to anything."""
    seed = call.derive("secret", call.document())
    session = {"type": "realtime", "object": "realtime.session", "id": identifier("sess_", seed)}
    asked = object_of(call.document(), "session")
    return json_reply({"value": identifier("ek_", seed), "expires_at": created(seed), "session": {**asked, **session}})


ROUTES = (
    Route("POST", "/batches", create_batch),
    Route("GET", "/batches", _lister("batches")),
    Route("GET", "/batches/{id}", _getter("batches")),
    Route("POST", "/batches/{id}/cancel", _setter("batches", "cancelling")),
    Route("POST", "/fine_tuning/jobs", create_job),
    Route("GET", "/fine_tuning/jobs", _lister("jobs")),
    Route("GET", "/fine_tuning/jobs/{id}", _getter("jobs")),
    Route("POST", "/fine_tuning/jobs/{id}/cancel", _setter("jobs", "cancelled")),
    Route("POST", "/fine_tuning/jobs/{id}/pause", _setter("jobs", "paused")),
    Route("POST", "/fine_tuning/jobs/{id}/resume", _setter("jobs", "queued")),
    Route("GET", "/fine_tuning/jobs/{id}/events", job_events),
    Route("GET", "/fine_tuning/jobs/{id}/checkpoints", job_checkpoints),
    Route("POST", "/vector_stores", create_vector_store),
    Route("GET", "/vector_stores", _lister("vector_stores")),
    Route("GET", "/vector_stores/{id}", _getter("vector_stores")),
    Route("POST", "/vector_stores/{id}", _updater("vector_stores", "name", "expires_after", "metadata")),
    Route("DELETE", "/vector_stores/{id}", _remover("vector_stores", "vector_store.deleted")),
    Route("POST", "/vector_stores/{id}/search", search_vector_store),
    Route("POST", "/vector_stores/{id}/files", add_store_file),
    Route("GET", "/vector_stores/{id}/files", list_store_files),
    Route("GET", "/vector_stores/{id}/files/{id}", get_store_file),
    Route("DELETE", "/vector_stores/{id}/files/{id}", remove_store_file),
    Route("POST", "/conversations", create_conversation),
    Route("GET", "/conversations/{id}", _getter("conversations")),
    Route("POST", "/conversations/{id}", _updater("conversations", "metadata")),
    Route("DELETE", "/conversations/{id}", remove_conversation),
    Route("POST", "/conversations/{id}/items", add_items),
    Route("GET", "/conversations/{id}/items", list_items),
    Route("GET", "/conversations/{id}/items/{id}", get_item),
    Route("DELETE", "/conversations/{id}/items/{id}", remove_item),
    Route("POST", "/videos", create_video),
    Route("GET", "/videos", _lister("videos")),
    Route("GET", "/videos/{id}", _getter("videos")),
    Route("DELETE", "/videos/{id}", _remover("videos", "video.deleted")),
    Route("GET", "/videos/{id}/content", video_content),
    Route("POST", "/videos/{id}/remix", remix_video),
    Route("POST", "/realtime/client_secrets", client_secret),
)
