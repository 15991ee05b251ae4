"""Google's resource names: ``files/abc``, ``projects/p/locations/l/cachedContents/1``, alike in paths, bodies and answers.

Only the last collection and id count: they are what a name is owned under, whichever project or version stands before it.
"""

import re
from collections.abc import Sequence

from .naming import Named, looks_handed_out
from .table import Row

COLLECTIONS = frozenset(
    """files cachedContents batches tunedModels operations corpora documents chunks permissions fileSearchStores batchPredictionJobs
    tuningJobs customJobs reasoningEngines sessions ragCorpora ragFiles interactions generatedFiles indexes endpoints media""".split()
)
"""Collections whose members are made by requests."""

PLACES = frozenset(("projects", "locations", "publishers", "models"))
"""Segments whose next one is the operator's configuration."""

_LOWER = {name.lower(): name for name in COLLECTIONS}
_NAME = re.compile("(?:^|/)(" + "|".join(sorted(COLLECTIONS, key=len, reverse=True)) + r")/([^/:?#]+)", re.IGNORECASE)
_END = re.compile(r"[?#]")
_TWISTED = re.compile(r"//|/\.\.?(?:/|$)|[%\\;\s]")
_VERSION = re.compile(r"v\d+(?:alpha|beta)\d*", re.IGNORECASE)
_NUMBERED = re.compile(r"v\d+(?:(?:alpha|beta)\d*)?|upload|download", re.IGNORECASE)

_STARTING = {"batchgeneratecontent": "batches", "asyncbatchembedcontent": "batches", "predictlongrunning": "operations"}
"""Operations of a model that make something of their own, in lower case."""

CREATE = Row(method="POST", template="", made=("name", "file.name", "response.name", "id"))
READ = Row(
    method="GET",
    template="",
    made=("response.responsesFile", "dest.fileName", "tunedModel.model", "tunedModel.endpoint"),
)
LIST = Row(method="GET", template="", listed="*", item="name", cursor="")
"""``*``: a listing names its member as the collection, so every list in the answer is looked at."""
DELETE = Row(method="DELETE", template="", deletes=True)
KEEPS_NOTHING = Row(method="POST", template="")
REFUSED = Row(method="POST", template="", refused="it would touch the objects of every account")


def is_google(segments: Sequence[str]) -> bool:
    """Is this path in Google's style: a ``beta`` version, an upload of it, or a project and a location?"""
    lower = [part.lower() for part in segments[:6]]
    return any(_VERSION.fullmatch(part) for part in lower[:2]) or ("projects" in lower and "locations" in lower)


def name_in(text: str) -> str | None:
    """The owned name in a resource name or URI; ``None`` when it names no collection.

    A text that one reader would resolve to another name than this one is returned whole: nobody owns it.
    """
    path = _END.split(text, maxsplit=1)[0]
    every = list(_NAME.finditer(path))
    if not every:
        return None
    if _TWISTED.search(path.partition("://")[2] or path) is not None:
        return text
    return f"{_LOWER[every[-1][1].lower()]}/{every[-1][2]}"


def read_google(method: str, segments: Sequence[str]) -> tuple[Row, tuple[Named, ...], str]:
    """The operation, every object on the way to it, and the collection that its answer's plain ids belong to."""
    last, _, verb = segments[-1].partition(":")
    parts = [*segments[:-1], last]
    named: list[Named] = []
    collection = ""
    before = ""
    for part in parts:
        lower = part.lower()
        if before in PLACES:
            lower = ""
        elif before in _LOWER:
            named.append(Named(f"{_LOWER[before]}/{part}", "object", "name"))
            lower = ""
        elif lower not in _LOWER and _NUMBERED.fullmatch(part) is None and (looks_handed_out(part) or "/" in part):
            named.append(Named(part, "object", "name"))
        before = lower
    if looks_handed_out(verb):
        named.append(Named(verb, "object", "name"))
    if before in _LOWER:
        collection = _LOWER[before]
    elif verb.lower() in _STARTING:
        collection = _STARTING[verb.lower()]
    return _row(method, verb.lower(), collection, parts, named), tuple(named), collection


def _row(method: str, verb: str, collection: str, parts: Sequence[str], named: Sequence[Named]) -> Row:
    of_model = "models" in [part.lower() for part in parts]
    if method == "GET":
        return READ if named else LIST if not of_model or collection else KEEPS_NOTHING
    if method == "POST":
        if collection and (verb in _STARTING or verb in ("", "upload", "create", "import", "register")):
            return CREATE
        return KEEPS_NOTHING if named or of_model else REFUSED
    return DELETE if method == "DELETE" and named and not collection else KEEPS_NOTHING if named else REFUSED
