"""Tool calls as they come in chat chunks, put together whatever a host does to indices, ids and names."""

from ..wire.values import Json, JsonObject, count, dumps_text, obj, object_in, text


class Call:
    """One call. ``pending``: pieces of its arguments that have not been shown yet."""

    __slots__ = ("_complete", "_pieces", "extra", "ident", "name", "pending", "place")

    def __init__(self, place: int) -> None:
        self.place = place
        """Its position among the answer's calls."""
        self.ident = ""
        self.name = ""
        self.extra: Json = None
        """The call's ``extra_content``."""
        self.pending: list[Json] = []
        self._pieces: list[str] = []
        self._complete = -1

    def add(self, fragment: str) -> None:
        """The next piece of the arguments."""
        self._pieces.append(fragment)
        self.pending.append(fragment)

    @property
    def arguments(self) -> str:
        """All pieces so far."""
        return "".join(self._pieces)

    @property
    def complete(self) -> bool:
        """Are the arguments a whole object, so that nothing can follow?"""
        if self._complete != len(self._pieces):
            told = self.arguments
            if not told.rstrip().endswith("}") or object_in(told.encode("utf-8", "replace")) is None:
                return False
            self._complete = len(self._pieces)
        return True


class Calls:
    """The calls of one answer, in the order of their first mention."""

    __slots__ = ("_by_ident", "_by_index", "_idents", "_request_id", "found")

    def __init__(self, request_id: str) -> None:
        self.found: list[Call] = []
        self._by_index: dict[int, Call] = {}
        self._by_ident: dict[str, Call] = {}
        self._idents: set[str] = set()
        self._request_id = request_id

    def take(self, piece: JsonObject) -> Call:
        """The call that ``piece`` (an item of ``tool_calls``) is about, with the piece added. Repeated names count once."""
        index, ident = count(piece.get("index")), text(piece.get("id"))
        function = obj(piece.get("function"))
        name, given = text(function.get("name")), function.get("arguments")
        fragment = dumps_text(given) if isinstance(given, dict) else text(given)
        known = self._known(index, ident, name)
        if known is None or _restarts(known, ident, name, fragment):
            known = Call(len(self.found))
            self.found.append(known)
        if index is not None:
            self._by_index[index] = known
        if ident and not known.ident:
            known.ident = ident
            self._by_ident[ident] = known
        if name and not known.name:
            known.name = name
        extra = piece.get("extra_content")
        if extra is not None:
            known.extra = extra
        if fragment:
            known.add(fragment)
        return known

    def _known(self, index: int | None, ident: str, name: str) -> Call | None:
        if index is not None:
            return self._by_index.get(index)
        if ident:
            return self._by_ident.get(ident)
        last = self.found[-1] if self.found else None
        return None if last is not None and last.name and name else last

    def ident(self, call: Call) -> str:
        """The id to show for ``call``, asked once: made when the host gave none, changed when it gave it twice."""
        found = call.ident or f"call_{self._request_id[-24:]}_{call.place}"
        while found in self._idents:
            found = f"{found}_{call.place}"
        self._idents.add(found)
        return found


def _restarts(known: Call, ident: str, name: str, fragment: str) -> bool:
    """Is this another call under the index of ``known``? Some hosts number every call 0."""
    if not name or not known.name:
        return False
    if ident and known.ident:
        return ident != known.ident
    return bool(fragment) and known.complete


def calls_in(message: JsonObject, request_id: str) -> Calls:
    """The calls of a whole message."""
    calls = Calls(request_id)
    listed = message.get("tool_calls")
    if isinstance(listed, list):
        for index, item in enumerate(listed):
            if isinstance(item, dict):
                calls.take({**item, "index": index})
    return calls
