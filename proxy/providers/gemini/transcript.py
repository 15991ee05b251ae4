"""The messages of a chat as Gemini's ``contents`` and ``systemInstruction``.

Gemini has two roles, no tool messages, one place for instructions, and tells parallel tool results apart by their order.
"""

import re

import orjson

from ...errors import InvalidRequest
from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, count, items, obj, objects, text
from .family import Family
from .media import Media
from .signatures import UNKNOWN, parted_id, signature_in

NAME = re.compile(r"^[^A-Za-z_]|[^A-Za-z0-9_.:-]")
"""What a function's name may not contain."""

NAME_LIMIT = 64

BLANK = " "
"""Stands where Gemini wants text and the client sent none; an empty string is refused."""

RETURNED = frozenset(("executableCode", "codeExecutionResult", "toolCall", "toolResponse", "fileData", "inlineData"))
"""Parts without a word in chat that go back as they came; what else is kept beside an answer only tells about it."""

TAKEN = frozenset(
    """role content tool_calls function_call tool_call_id refusal reasoning_content reasoning thinking_blocks extra_content annotations
    images provider_blocks is_error""".split()
)
"""Members of messages that are read, or that only tell about text that is sent; any other is named as dropped."""

_MADE = re.compile(r"call_.*_\d+")
"""Ids that were made for calls that came without one; they never go to Gemini."""


class Transcript:
    """Collects ``system`` (parts), ``contents``, and ``media`` (the client's media parts, for what is asked once per request)."""

    __slots__ = ("_ask", "_called_so_far", "_calls", "_family", "_media", "_results", "contents", "media", "system")

    def __init__(self, ask: Ask, family: Family, *, vertex: bool) -> None:
        self._ask = ask
        self._family = family
        self._media = Media(family, vertex=vertex)
        self._calls: dict[str, tuple[str, int]] = {}
        self._called_so_far = 0
        self._results: list[tuple[int, JsonObject, list[JsonObject]]] = []
        self.system: list[Json] = []
        self.contents: list[JsonObject] = []
        self.media: list[JsonObject] = []

    def read(self, messages: Json) -> None:
        """Takes in all messages. Raises ``InvalidRequest`` for what no dialect could make sense of."""
        if not isinstance(messages, list):
            raise InvalidRequest("messages must be an array of message objects.", param="messages")
        for given in messages:
            message = obj(given)
            role = message.get("role")
            results = role in ("tool", "function")
            if not message.keys() <= TAKEN:
                self._tell(message, named=results)
            if results:
                self._result(message)
                continue
            self._flush()
            if role == "user":
                self._add("user", self._user(message))
            elif role == "assistant":
                self._add("model", self._assistant(message))
            elif role in ("system", "developer"):
                self._instruct(message)
            else:
                raise InvalidRequest(
                    "Every message needs a role: system, developer, user, assistant or tool.", param="messages"
                )
        self._flush()
        self._complete()

    # ---- roles ------------------------------------------------------------------------------------------------------

    def _instruct(self, message: JsonObject) -> None:
        if self.contents:
            self._ask.notes.rewrite("messages[].role")
        content = message.get("content")
        found = content if isinstance(content, str) else "\n".join(self._texts(content))
        if found:
            self.system.append({"text": found})

    def _user(self, message: JsonObject) -> list[Json]:
        content = message.get("content")
        if isinstance(content, str):
            return [{"text": content or BLANK}]
        return self._parts(content) or [{"text": BLANK}]

    def _parts(self, content: Json) -> list[Json]:
        found: list[Json] = []
        for part in objects(content):
            if "cache_control" in part:
                self._ask.notes.drop("cache_control")
            if part.get("type") == "text":
                if text(part.get("text")):
                    found.append({"text": part["text"]})
                continue
            made = self._media.part(part)
            if made is None:
                self._ask.notes.drop(f"messages[].content[].{text(part.get('type')) or 'type'}"[:80])
                continue
            self.media.append(part)
            found.append(made)
        return found

    def _texts(self, content: Json) -> list[str]:
        found = []
        for part in objects(content):
            if "cache_control" in part:
                self._ask.notes.drop("cache_control")
            if part.get("type") in ("text", "refusal"):
                found.append(text(part.get("text")) or text(part.get("refusal")))
            else:
                self._ask.notes.drop(f"messages[].content[].{text(part.get('type')) or 'type'}"[:80])
        return [piece for piece in found if piece]

    def _assistant(self, message: JsonObject) -> list[Json]:
        content = message.get("content")
        texts = [content] if isinstance(content, str) else self._texts(content)
        if text(message.get("refusal")):
            texts.append(text(message["refusal"]))
        parts: list[JsonObject] = [{"text": piece} for piece in texts if piece]
        signature = signature_in(message)
        if signature:
            if not parts:
                parts.append({"text": ""})
            parts[-1]["thoughtSignature"] = signature
        if len(message) > 2 or "content" not in message:
            parts = [*self._beside(message), *parts, *self._images(message)]
            for block in objects(message.get("provider_blocks")):
                native = obj(block.get("block"))
                if block.get("type") != "gemini":
                    self._ask.notes.drop("messages[].provider_blocks")
                elif not native.keys().isdisjoint(RETURNED):
                    parts.insert(count(block.get("index")) or 0, native)
            parts += self._called(message)
        return [*parts] or [{"text": BLANK}]

    def _beside(self, message: JsonObject) -> list[JsonObject]:
        """Thoughts go back as Google's own SDK sends them; what only other providers read is named as dropped."""
        notes = self._ask.notes
        blocks = objects(message.get("thinking_blocks"))
        if any(block.get("signature") or block.get("data") for block in blocks):
            notes.drop("messages[].thinking_blocks")
        thought = text(message.get("reasoning_content")) or text(message.get("reasoning"))
        thought = thought or "".join(text(block.get("thinking")) for block in blocks)
        if not thought:
            return []
        if self._ask.behaviour.thinking not in ("budget", "level"):
            notes.drop("messages[].reasoning_content")
            return []
        return [{"text": thought, "thought": True}]

    def _images(self, message: JsonObject) -> list[JsonObject]:
        found = []
        for image in objects(message.get("images")):
            part = self._media.part(image)
            if part is not None:
                signature = signature_in(image)
                found.append({**part, "thoughtSignature": signature} if signature else part)
        return found

    def _called(self, message: JsonObject) -> list[JsonObject]:
        calls = objects(message.get("tool_calls"))
        legacy = obj(message.get("function_call"))
        if legacy and not calls:
            calls = [{"id": "", "type": "function", "function": legacy}]
        found: list[JsonObject] = []
        for call in calls:
            ident, carried = parted_id(text(call.get("id")))
            function = obj(call.get("function")) or obj(call.get("custom"))
            name = self._spelt(text(function.get("name")))
            self._calls[ident or name] = (name, self._called_so_far)
            self._called_so_far += 1
            made: JsonObject = {"name": name, "args": self._arguments(function)}
            if ident and self._family.signed and _MADE.fullmatch(ident) is None:
                made["id"] = ident
            part: JsonObject = {"functionCall": made}
            signature = signature_in(call) or carried
            if signature:
                part["thoughtSignature"] = signature
            found.append(part)
        if found and self._family.signed and not any("thoughtSignature" in part for part in found):
            found[0]["thoughtSignature"] = UNKNOWN
        return found

    def _arguments(self, function: JsonObject) -> JsonObject:
        if "input" in function and "arguments" not in function:
            return {"input": function["input"]}
        given = text(function.get("arguments"))
        if not given.strip():
            return {}
        try:
            found = orjson.loads(given)
        except orjson.JSONDecodeError:
            found = None
        if isinstance(found, dict):
            return found
        # Gemini takes objects only; what a model once wrote is kept as it is.
        self._ask.notes.rewrite("messages[].tool_calls[].function.arguments")
        return {"arguments": given}

    # ---- tool results -----------------------------------------------------------------------------------------------

    def _result(self, message: JsonObject) -> None:
        ident, _ = parted_id(text(message.get("tool_call_id")))
        given = text(message.get("name"))
        spelt = self._spelt(given) if given else ""
        name, place = self._calls.get(ident or spelt, (spelt, self._called_so_far))
        if not name:
            raise InvalidRequest(
                f"The tool result for {ident[:100]!r} answers no tool call of the messages before it; Gemini names results by "
                "their function, so the assistant message with the call must be there.",
                param="messages",
            )
        content = message.get("content")
        media: list[JsonObject] = []
        if isinstance(content, list):
            pieces = [text(part.get("text")) for part in objects(content) if part.get("type") == "text"]
            media = [part for part in objects(self._parts(content)) if "text" not in part]
            said = "\n".join(pieces)
        else:
            said = text(content)
        response: JsonObject = {"name": name, "response": _response(said, failed=message.get("is_error") is True)}
        if ident and self._family.signed and _MADE.fullmatch(ident) is None:
            response["id"] = ident
        if media and self._family.signed:
            response["parts"] = [*media]
            media = []
        self._results.append((place, {"functionResponse": response}, media))

    def _flush(self) -> None:
        """The results of one turn stand in one content, in the order of the calls."""
        if self._results:
            self._results.sort(key=lambda result: result[0])
            parts: list[Json] = [part for _, part, _ in self._results]
            parts += [part for _, _, media in self._results for part in media]
            self.contents.append({"role": "user", "parts": parts})
            self._results = []

    # ---- the whole --------------------------------------------------------------------------------------------------

    def _add(self, role: str, parts: list[Json]) -> None:
        last = self.contents[-1] if self.contents else None
        if last is not None and last["role"] == role:
            before = items(last["parts"])
            if not (isinstance(before[0], dict) and "functionResponse" in before[0]):
                last["parts"] = [*before, *parts]
                return
        self.contents.append({"role": role, "parts": parts})

    def _complete(self) -> None:
        if not self.contents:
            self.contents.append({"role": "user", "parts": [{"text": BLANK}]})
        elif self.contents[0]["role"] == "model":
            # A function call must follow a user's turn.
            self.contents.insert(0, {"role": "user", "parts": [{"text": BLANK}]})
        if self.system and (self._family.gemma or self._ask.behaviour.system_role == "none"):
            first = self.contents[0]
            first["parts"] = [*self.system, *items(first["parts"])]
            self.system = []
            self._ask.notes.rewrite("messages[].role")

    def _spelt(self, name: str) -> str:
        return self._ask.names.forth(name, invalid=NAME, limit=NAME_LIMIT)

    def _tell(self, message: JsonObject, *, named: bool) -> None:
        for name, value in message.items():
            if name not in TAKEN and value and not (named and name == "name"):
                self._ask.notes.drop(name if name == "cache_control" else f"messages[].{name}"[:80])


def _response(said: str, *, failed: bool) -> JsonObject:
    """A tool's result as the object that Gemini wants: a JSON object as it is, anything else under one key."""
    if failed:
        return {"error": said}
    if said.lstrip().startswith("{"):
        try:
            found = orjson.loads(said)
        except orjson.JSONDecodeError:
            found = None
        if isinstance(found, dict):
            return found
    return {"output": said}
