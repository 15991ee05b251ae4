"""Chat completions as the provider's dialect: for clients that speak Anthropic's or the Responses dialect.

The same parameter map and the same rules as for bytes that pass; what comes out is the hub's, in OpenAI's canonical order.
"""

from collections.abc import Sequence

from ...errors import RawHeaders, TollwayError, UpstreamCut, UpstreamInvalid
from ...translation.ask import Ask, Encoded
from ...translation.chunks import ChatStream
from ...translation.completion import choice, completion
from ...translation.failures import said
from ...translation.finish import finish_of
from ...translation.stops import Stops
from ...wire.headers import client_headers, value_of
from ...wire.sse import DONE
from ...wire.values import Json, JsonObject, count, dumps, items, obj, objects, text
from ..shims import shim_chat
from .answer import set_right
from .content import citations_of, reasoning_of
from .errors import Failure, failure_in, rejection
from .events import Cutter, Event
from .fields import Sheet
from .figures import of_hub, usage_of
from .history import echoed, plain_tools, without_extensions
from .reading import plain, read, read_object
from .repair import CONTENT_HEADERS
from .rules import Rules
from .spec import Compatible

KEPT = (
    "refusal",
    "audio",
    "annotations",
    "images",
    "reasoning_details",
    "thinking_blocks",
    "provider_blocks",
    "extra_content",
)
"""Members of a message or delta that the hub knows too."""


class CompatibleChat:
    """The ``ChatDialect`` of one provider."""

    def __init__(self, spec: Compatible) -> None:
        self._spec = spec
        self._quirks = spec.quirks

    def encode(self, chat: JsonObject, ask: Ask) -> Encoded:
        """The request with the provider's names and ranges; parameters that it alone knows travel as they are."""
        spec = self._spec
        sheet = Sheet(shim_chat(chat, ask) if spec.shims else chat)
        sheet.values["model"] = ask.model
        messages = before = objects(chat.get("messages"))
        if "reasoning_details" in spec.history:
            messages = echoed(messages, ask)
        messages = without_extensions(messages, ask, keep=spec.history)
        if messages is not before:
            sheet.values["messages"] = [*messages]
        tools = chat.get("tools")
        if isinstance(tools, list):
            sheet.values["tools"] = [*plain_tools(objects(tools), ask, keep=spec.history)]
        if "top_k" in sheet and not spec.top_k:
            sheet.remove("top_k")
            ask.notes.drop("top_k")
        if ask.stream and not ask.whole:
            sheet.values["stream"] = True
            sheet.values["stream_options"] = {**obj(chat.get("stream_options")), "include_usage": True}
        spec.map_of("chat").apply(sheet, ask)
        return Encoded(path=spec.chat_path, body=dumps(sheet.values))

    def decode(self, body: bytes, ask: Ask) -> JsonObject:
        """The answer as the hub's. Raises ``UpstreamError``."""
        document = read_object(body)
        if document is None:
            raise UpstreamInvalid("The provider's answer is not JSON.", detail=body[:500].decode("utf-8", "replace"))
        set_right(document, self._quirks, ask)
        citations = citations_of(document)
        choices = [_choice(part, citations, ask) for part in objects(document.get("choices"))]
        usage = usage_of(document)
        whole = completion(
            ask,
            choices,
            of_hub(usage) if usage is not None else None,
            ident=text(document.get("id")),
            model=text(document.get("model")),
        )
        return Stops(ask.stop).cut(whole) if ask.stop else whole

    def decoder(self, ask: Ask) -> "CompatibleDecoder":
        """For the stream of one answer."""
        return CompatibleDecoder(self._spec, ask)

    def error(self, status: int, headers: RawHeaders, body: bytes) -> TollwayError:
        """A non-2xx answer, whatever its shape."""
        return rejection(Failure(status, said(body, read(body))), self._quirks, headers)

    def headers(self, headers: RawHeaders) -> list[tuple[bytes, bytes]]:
        """The provider's own, its rate limits in OpenAI's names as well."""
        found = [pair for pair in client_headers(headers) if pair[0] not in CONTENT_HEADERS]
        names = {name for name, _ in found}
        for theirs, ours in self._spec.limits.items():
            value = value_of(headers, theirs)
            if value is not None and ours not in names:
                found.append((ours, value))
        return found


def _choice(part: JsonObject, citations: list[JsonObject], ask: Ask) -> JsonObject:
    message = obj(part.get("message"))
    calls = [_call(call, ask) for call in objects(message.get("tool_calls"))]
    legacy = obj(message.get("function_call"))
    if legacy and not calls:
        calls = [_call({"id": f"call_{ask.request_id[-24:]}_0", "type": "function", "function": legacy}, ask)]
    kept = {name: message[name] for name in KEPT if message.get(name) and name != "refusal"}
    if citations and "annotations" not in kept:
        kept["annotations"] = [*citations]
    content = message.get("content")
    native = text(part.get("finish_reason"))
    return choice(
        content=content if isinstance(content, str) and (content or not calls) else None if calls else "",
        finish=finish_of(native, called=bool(calls)),
        native=text(part.get("native_finish_reason")),
        reasoning=reasoning_of(message),
        refusal=text(message.get("refusal")) or None,
        tool_calls=calls or None,
        index=count(part.get("index")) or 0,
        logprobs=part.get("logprobs"),
        **kept,
    )


def _call(call: JsonObject, ask: Ask) -> JsonObject:
    function = obj(call.get("function"))
    if not function:
        return call
    return {**call, "function": {**function, "name": ask.names.back(text(function.get("name")))}}


class CompatibleDecoder:
    """A ``ChunkDecoder``."""

    __slots__ = ("_citations", "_closed", "_cutter", "_quirks", "_rules", "_stops", "_stream", "error")

    def __init__(self, spec: Compatible, ask: Ask) -> None:
        self.error: TollwayError | None = None
        self._quirks = spec.quirks
        self._cutter = Cutter()
        self._rules = Rules(spec.quirks, ask, wanted=False)
        self._stream = ChatStream(ask)
        self._citations: list[JsonObject] = []
        self._closed = False
        self._stops = Stops(ask.stop, choices=ask.choices) if ask.stop else None

    @property
    def done(self) -> bool:
        """Has every answer met a stop sequence? What the provider still sends is not wanted, and would be paid for."""
        return self._stops is not None and self._stops.done

    def feed(self, data: bytes) -> Sequence[JsonObject]:
        """Chunks that ``data`` completes."""
        return self._stopped(self._events(self._cutter.feed(data)))

    def close(self) -> Sequence[JsonObject]:
        """The end of the body."""
        found = self._events(self._cutter.close())
        if self.error is None and not self._closed:
            if self._rules.whole:
                found += self._end()
            else:
                self.error = UpstreamCut("The provider's stream broke off before its end.")
        return self._stopped(found)

    def _stopped(self, chunks: list[JsonObject]) -> list[JsonObject]:
        """``chunks`` up to a stop sequence that the model does not take itself."""
        stops = self._stops
        return chunks if stops is None else [kept for chunk in chunks for kept in stops.feed(chunk)]

    def _events(self, events: list[Event]) -> list[JsonObject]:
        found: list[JsonObject] = []
        for event in events:
            if self.error is not None or self._closed:
                break
            if event.data[:6] == DONE:
                if self._rules.open:
                    found += self._end()
            elif event.data:
                found += self._event(event)
        return found

    def _event(self, event: Event) -> list[JsonObject]:
        usual = plain(event.data, self._rules) if not event.kind else None
        if usual is None:
            return self._other(event)
        stream, index = self._stream, usual.index
        if usual.tool < 0 and not usual.reasoning:
            return stream.content(usual.content, index)
        found = stream.reasoning(usual.reasoning, index) + stream.content(usual.content, index)
        return found + stream.arguments(usual.tool, usual.arguments, index)

    def _other(self, event: Event) -> list[JsonObject]:
        chunk = read_object(event.data)
        if event.kind == b"error":
            failure = failure_in(chunk, self._quirks) if chunk is not None else None
            self.error = rejection(failure or Failure(502, said(event.data, chunk)), self._quirks)
            return []
        if chunk is None:
            if event.data.lstrip().startswith(b"{"):
                self.error = UpstreamInvalid("The provider's stream holds an event that is not JSON.")
            return []
        rules = self._rules
        rules.apply(chunk)
        if rules.error is not None:
            self.error = rules.error
            return []
        stream = self._stream
        if not stream.begun:
            stream.ident = rules.ident
            stream.model = text(chunk.get("model")) or stream.model
        self._citations = citations_of(chunk) or self._citations
        found: list[JsonObject] = []
        for part in objects(chunk.get("choices")):
            found += self._choice(part)
        return found

    def _choice(self, part: JsonObject) -> list[JsonObject]:
        stream, delta = self._stream, obj(part.get("delta"))
        index = count(part.get("index")) or 0
        found = stream.reasoning(reasoning_of(delta), index)
        kept: JsonObject = {name: delta[name] for name in KEPT if delta.get(name)}
        if kept:
            found += stream.delta(kept, index)
        content, logprobs = delta.get("content"), part.get("logprobs")
        if isinstance(content, str) and content:
            beside: dict[str, Json] = {"logprobs": logprobs} if logprobs is not None else {}
            found += stream.delta({"content": content}, index, **beside)
        for call in objects(delta.get("tool_calls")):
            found += self._call(call, index)
        legacy = obj(delta.get("function_call"))
        if legacy:
            found += self._call({"index": 0, "function": legacy}, index)
        native = part.get("finish_reason")
        if isinstance(native, str):
            found += self._finish(index, native, text(part.get("native_finish_reason")))
        return found

    def _call(self, call: JsonObject, choice: int) -> list[JsonObject]:
        key, function = count(call.get("index")) or 0, obj(call.get("function"))
        arguments = text(function.get("arguments"))
        if self._stream.known(key, choice):
            return self._stream.arguments(key, arguments, choice)
        beside: dict[str, Json] = {
            name: value for name, value in call.items() if name not in ("index", "id", "type", "function")
        }
        return self._stream.tool(key, text(call.get("id")), text(function.get("name")), arguments, choice, **beside)

    def _finish(self, index: int, native: str, theirs: str) -> list[JsonObject]:
        found: list[JsonObject] = []
        if self._citations and index == 0:
            found += self._stream.delta({"annotations": [*items([*self._citations])]}, index)
            self._citations = []
        return found + self._stream.finish(finish_of(native, called=self._rules.called(index)), theirs, index)

    def _end(self) -> list[JsonObject]:
        """What was not said: a finish where the stream just ended, the usage."""
        self._closed = True
        found: list[JsonObject] = []
        for chunk in self._rules.rest():
            for part in objects(chunk["choices"]):
                found += self._choice(part)
        usage = of_hub(self._rules.usage) if self._rules.usage is not None else None
        return found + self._stream.usage(usage) if usage is not None else found
