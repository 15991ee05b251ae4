"""Which ids a JSON body names. A plain request costs a few searches for member names; only one that may name ids is decoded.

Every copy of a member counts, and escapes are undone, so that no second parser finds an id here that this one did not.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias, Union
from urllib.parse import unquote

from ..errors import InvalidJson, InvalidRequest
from .google import name_in
from .naming import Named, looks_handed_out, prefixed, tuned
from .table import EVERYBODYS_SOURCES

MOST = 4096
"""Ids that one request may name."""

Profile = Literal["chat", "full", "socket"]
"""``chat``: generation, where an ``id`` is a tool call's; ``full``: any other body; ``socket``: realtime events, whose items are the session's."""


class Pairs(list["tuple[str, Node]"]):
    """An object with all of its members, duplicates included."""


Node: TypeAlias = Union[Pairs, "list[Node]", str, bool, None]

STRICT = {
    "file_id": "file",
    "file_ids": "file",
    "input_file_id": "file",
    "output_file_id": "file",
    "error_file_id": "file",
    "input_file_ids": "file",
    "input_files": "file",
    "training_file": "file",
    "training_files": "file",
    "validation_file": "file",
    "validation_files": "file",
    "previous_response_id": "response",
    "previous_interaction_id": "interaction",
    "conversation_id": "conversation",
    "vector_store_id": "vector store",
    "vector_store_ids": "vector store",
    "container_id": "container",
    "assistant_id": "assistant",
    "thread_id": "thread",
    "batch_id": "batch",
    "video_id": "video",
    "remix_video_id": "video",
    "eval_id": "eval",
    "upload_id": "upload",
    "agent_id": "agent",
    "library_id": "library",
    "library_ids": "library",
    "dataset_id": "dataset",
}
"""Members whose string, or list of strings, is the id of an object that must be the caller's."""

HOLDERS = {
    "conversation": "conversation",
    "container": "container",
    "prompt": "prompt",
    "audio": "audio",
    "video": "video",
}
"""Members whose ``id`` inside must be the caller's."""

BARE = frozenset(("conversation", "container"))
"""Holders that may also be the id itself."""

GIVEN = frozenset(("skill_id", "voice", "voice_id", "video", "file", "character_id"))
"""Members that hold an id or a word of the provider's own."""

NAMES = frozenset(
    "fileName file_name cachedContent cached_content operationName corpus fileSearchStoreNames file_search_store_names".split()
)
"""Members that hold a resource name of Google's."""

GOOGLES = NAMES | {"fileUri", "file_uri", "url", "image_url", "file_data"}
"""Those, and members that may hold a URI of Google's own file storage."""

GENERATION = frozenset(
    "chat completions messages count_tokens embeddings moderations rerank decisions tokens transcriptions".split()
)
_ITEMS = frozenset(("input", "items", "item"))


_URIS = frozenset(("fileUri", "file_uri", "url", "image_url", "file_data"))


def _scan(names: Iterable[str], *values: str) -> re.Pattern[bytes]:
    """Finds a member of one of ``names``, or a string that begins with one of ``values``; all of it behind a quote, which is quick."""
    members = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    return re.compile("|".join((f'"(?:{members})"', *(f'"{value}' for value in values))).encode())


_GENERATED = ("file_id", "container", "audio", "cached_content", "cachedContent")
_SCANS: dict[Profile, re.Pattern[bytes]] = {
    "chat": _scan((*_GENERATED, *_URIS)),
    "full": _scan({*STRICT, *HOLDERS, *GIVEN, *GOOGLES, "id"}, "ft:", "tunedModels/", "projects/"),
    "socket": _scan(
        (
            "file_id",
            "file_ids",
            "vector_store_id",
            "vector_store_ids",
            "prompt",
            "container",
            "container_id",
            "skill_id",
        )
    ),
}
_CERTAIN = _scan(_GENERATED)
_TELLING = frozenset((*_GENERATED, *_URIS, "store"))
_CODE = "code_execution"
PLAIN = _scan((*_TELLING, _CODE), _CODE)
"""What a request to generate must not contain to be none of our business."""

_RARE = re.compile(
    rb"_(?:id(?<=file_id)|content(?<=cached_content)|uri(?<=file_uri)|url(?<=image_url)|data(?<=file_data)|execution(?<=code_execution))"
)
_COMMON = (b'"container"', b'"audio"', b'"cachedContent"', b'"fileUri"', b'"url"', b'"store"')
"""The same names apart, as each is found soonest: by its underscore, or whole. A third of the time that looking behind every quote takes."""

_ESCAPED = re.compile(rb"\\u00(?:5[fF]|4[1-9a-fA-F]|5[0-9aA]|6[1-9a-fA-F]|7[0-9aA])")


def profile_of(endpoint: str) -> Profile:
    """How bodies of an endpoint (by name) are read."""
    if endpoint == "realtime":
        return "socket"
    return "chat" if endpoint in GENERATION else "full"


def escapes(body: bytes) -> bool:
    """Is a letter in ``body`` written as an escape, which no library does, so that a name could hide?"""
    return b"\\u00" in body and _ESCAPED.search(body) is not None


def tells_nothing(words: frozenset[str]) -> bool:
    """Is nothing of ``PLAIN`` among the words of a document? Not where they are not known."""
    return bool(words) and words.isdisjoint(_TELLING) and not any(word.startswith(_CODE) for word in words)


def concerns_nobody(body: bytes) -> bool:
    """Is nothing of ``PLAIN`` in it?"""
    if _RARE.search(body) is None:
        for name in _COMMON:
            if name in body:
                break
        else:
            return True
    return PLAIN.search(body) is None


def may_name(body: bytes, profile: Profile) -> bool:
    """Could ``body`` name an id? No decoding: some 0.6 ns a byte."""
    if _SCANS[profile].search(body) is not None and (
        profile != "chat" or _CERTAIN.search(body) is not None or b"files/" in body or b"generativelanguage" in body
    ):
        return True
    return escapes(body)


def names_in(body: bytes, profile: Profile) -> list[Named]:
    """Every id that ``body`` names, each once. Raises ``InvalidRequest`` for a body that cannot be read, or with too many."""
    if not body or not may_name(body, profile):
        return []
    found = dict.fromkeys(_Walk(profile).over(_decoded(body)))
    if len(found) > MOST:
        raise InvalidRequest(f"The request names more than {MOST} objects.", code="too_many_ids")
    return list(found)


def reads_everybodys(body: bytes) -> bool:
    """Does an eval's body name a data source that reads what every account has stored?"""
    if not any(word.encode() in body for word in EVERYBODYS_SOURCES) and b"\\u" not in body:
        return False
    return any(
        key == "type" and value in EVERYBODYS_SOURCES
        for pairs, _ in _objects(_decoded(body))
        for key, value in pairs
        if isinstance(value, str)
    )


def _decoded(body: bytes) -> Node:
    try:
        # Numbers stay text: none is an id to be compared, and a long one must not cost what its digits would.
        document: Node = json.loads(body, object_pairs_hook=Pairs, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(
            "The request body may name stored objects, and cannot be read as JSON to see whose they are."
        ) from error
    return document


def _objects(document: Node) -> Iterator[tuple[Pairs, str]]:
    """Every object in ``document`` with the name of the member that it, or the list it is in, stands in."""
    waiting: list[tuple[Node, str]] = [(document, "")]
    while waiting:
        node, under = waiting.pop()
        if isinstance(node, Pairs):
            yield node, under
            waiting += [(value, key) for key, value in node if isinstance(value, list)]
        elif isinstance(node, list):
            waiting += [(value, under) for value in node if isinstance(value, list)]


class _Walk:
    """One look through a body."""

    def __init__(self, profile: Profile) -> None:
        self._chat = profile == "chat"
        self._socket = profile == "socket"

    def over(self, document: Node) -> Iterator[Named]:
        """The ids, in no order; lists at the top are read like lists inside."""
        for pairs, under in _objects(document):
            for key, value in pairs:
                if key in STRICT:
                    yield from _strings(value, STRICT[key], key)
                elif key == "id":
                    yield from self._ident(pairs, under, value)
                elif key in BARE and isinstance(value, str) and not self._socket:
                    yield Named(value, HOLDERS[key], key)
                elif key in GIVEN and isinstance(value, str) and prefixed(value):
                    yield Named(value, "object", key)
                elif key in GOOGLES:
                    yield from _googles(value, key)
                elif key == "model" and isinstance(value, str) and (name := _model(value)) is not None:
                    yield Named(name, "model", key)

    def _ident(self, pairs: Pairs, under: str, value: Node) -> Iterator[Named]:
        """``id``: a reference where nothing else says what it is, or where it stands in for an object."""
        if not isinstance(value, str) or not value:
            return
        if under in HOLDERS and not (self._socket and under == "conversation"):
            if under in ("conversation", "container", "prompt") or looks_handed_out(value):
                yield Named(value, HOLDERS[under], f"{under}.id")
            return
        if self._chat or self._socket:
            return
        types = [kind for key, kind in pairs if key == "type"]
        content = any(key in ("role", "content") for key, _ in pairs)
        refers = "item_reference" in types or "file_id" in types or (not any(types) and not content and under in _ITEMS)
        if refers or prefixed(value):
            yield Named(value, "item" if under in _ITEMS else "object", "id", strict=refers)


def _texts(value: Node) -> Iterator[str]:
    """The string, or each one in the list."""
    for text in value if isinstance(value, list) and not isinstance(value, Pairs) else [value]:
        if isinstance(text, str) and text:
            yield text


def _strings(value: Node, kind: str, param: str) -> Iterator[Named]:
    for text in _texts(value):
        ident = f"interactions/{text}" if kind == "interaction" else text
        yield Named((name_in(unquote(ident)) or ident) if "/" in ident else ident, kind, param)


def _googles(value: Node, param: str) -> Iterator[Named]:
    """Names as they are; of URIs only Google's own, and those only with a name that can be read."""
    for text in _texts(value):
        start = text[:2048].lower()
        if "generativelanguage" in start:
            yield Named(name_in(unquote(text)) or text, "object", param)
        elif param in NAMES and (name := name_in(unquote(text))) is not None and not start.startswith(("data:", "gs:")):
            yield Named(name, "object", param)


def _model(value: str) -> str | None:
    return (name_in(value) if value.startswith(("tunedModels/", "projects/")) else None) or tuned(value)
