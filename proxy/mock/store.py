"""Objects that outlive a request (stored chats, files, batches …), bounded in number and bytes; and the route entry."""

from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from .reply import Call, Object, Refused, Reply, json_reply

MAX_OBJECTS = 1000
MAX_CONTENT = 256 * 1024 * 1024


class Route(Struct, frozen=True):
    """A method, a path template (`{id}` one segment, `{id...}` the rest) and what answers it."""

    method: str
    template: str
    answer: Callable[[Call], Reply]


class Store:
    """Everything kept between requests: objects by kind and id, and the bytes of files; the oldest go first."""

    def __init__(self) -> None:
        self._kinds: dict[str, OrderedDict[str, Object]] = {}
        self._content: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def put(self, kind: str, key: str, value: Object) -> None:
        shelf = self._kinds.setdefault(kind, OrderedDict())
        shelf[key] = value
        if len(shelf) > MAX_OBJECTS:
            gone, _ = shelf.popitem(last=False)
            self._drop_content(gone)

    def get(self, kind: str, key: str) -> Object:
        """Return the object; refuse an id nobody made with 404."""
        shelf = self._kinds.get(kind)
        found = shelf.get(key) if shelf is not None else None
        if found is None:
            raise Refused(f"No such {_singular(kind)} object: {key}", status=404, param="id")
        return found

    def remove(self, kind: str, key: str) -> None:
        """Forget the object and its bytes; refuse an id nobody made with 404."""
        self.get(kind, key)
        del self._kinds[kind][key]
        self._drop_content(key)

    def all(self, kind: str) -> list[Object]:
        """Return the objects of a kind, oldest first."""
        shelf = self._kinds.get(kind)
        return list(shelf.values()) if shelf is not None else []

    def put_content(self, key: str, content: bytes) -> None:
        self._drop_content(key)
        self._content[key] = content
        self._bytes += len(content)
        while self._bytes > MAX_CONTENT and len(self._content) > 1:
            self._drop_content(next(iter(self._content)))

    def content(self, key: str) -> bytes:
        """Return the bytes kept under `key`, empty when they were dropped for room."""
        return self._content.get(key, b"")

    def _drop_content(self, key: str) -> None:
        self._bytes -= len(self._content.pop(key, b""))


def _singular(kind: str) -> str:
    return kind.replace("_", " ").removesuffix("s").replace("batche", "batch")


def deleted(key: str, kind: str) -> Object:
    """Return what OpenAI says after a deletion."""
    return {"id": key, "object": kind, "deleted": True}


def listing(call: Call, items: list[Object], *, newest_first: bool = True) -> Reply:
    """Return a page of `items` (oldest first) as `limit`, `order`, `after` and `before` ask."""
    query = call.query
    order = query.get("order", "desc" if newest_first else "asc")
    if order not in ("asc", "desc"):
        raise Refused(
            f"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'.", param="order", code="invalid_value"
        )
    try:
        limit = int(query.get("limit", "20"))
    except ValueError:
        raise Refused("Invalid 'limit': expected an integer.", param="limit", code="invalid_type") from None
    if not 1 <= limit <= 10_000:
        raise Refused("Invalid 'limit': expected 1 to 10000.", param="limit", code="invalid_value")
    ordered = items if order == "asc" else items[::-1]
    ids = [item.get("id") for item in ordered]
    after, before = query.get("after"), query.get("before")
    if after in ids:
        ordered = ordered[ids.index(after) + 1 :]
    if before in ids:
        ordered = ordered[: [item.get("id") for item in ordered].index(before)]
    page = ordered[:limit]
    return json_reply(
        {
            "object": "list",
            "data": page,
            "first_id": page[0].get("id") if page else None,
            "last_id": page[-1].get("id") if page else None,
            "has_more": len(ordered) > limit,
        }
    )
