"""The chats that were made with `store: true`."""

from .reply import Call, Object, Reply, json_reply, object_of, objects_of
from .store import Route, deleted, listing


def _shown(stored: Object) -> Object:
    return {name: value for name, value in stored.items() if name != "mock_messages"}


def every(call: Call) -> Reply:
    found = call.store.all("chats")
    model = call.query.get("model")
    return listing(call, [_shown(item) for item in found if model is None or item["model"] == model])


def one(call: Call) -> Reply:
    return json_reply(_shown(call.store.get("chats", call.params[0])))


def update(call: Call) -> Reply:
    changed = {**call.store.get("chats", call.params[0]), "metadata": object_of(call.document(), "metadata")}
    call.store.put("chats", call.params[0], changed)
    return json_reply(_shown(changed))


def remove(call: Call) -> Reply:
    call.store.remove("chats", call.params[0])
    return json_reply(deleted(call.params[0], "chat.completion"))


def messages(call: Call) -> Reply:
    said = objects_of(call.store.get("chats", call.params[0]), "mock_messages")
    return listing(
        call, [{"id": f"{call.params[0]}-{index}", **item} for index, item in enumerate(said)], newest_first=False
    )


ROUTES = (
    Route("GET", "/chat/completions", every),
    Route("GET", "/chat/completions/{id}", one),
    Route("POST", "/chat/completions/{id}", update),
    Route("DELETE", "/chat/completions/{id}", remove),
    Route("GET", "/chat/completions/{id}/messages", messages),
)
