"""Reads ``GenerateContentResponse`` frames as chat chunks. A whole answer is a stream of one frame.

Every frame carries new parts and the usage so far; a reason to finish may come before the last of them.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error

from ...errors import TollwayError, UpstreamCut
from ...translation.ask import Ask
from ...translation.chunks import ChatStream
from ...translation.finish import Finish, finish_of
from ...wire.values import Json, JsonObject, count, dumps_text, items, obj, objects, text
from .errors import error_within, no_answer
from .grounding import annotations_of, logprobs_of
from .signatures import extra_content, signed_id
from .usage import usage_of

FAULTS = frozenset(
    (
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
    )
)
"""Google's own failures. Where nothing has been said yet, another attempt may succeed."""

_METADATA = ("groundingMetadata", "citationMetadata", "urlContextMetadata")
_BARE = frozenset(
    """thought thoughtSignature partMetadata videoMetadata mediaResolution mediaProcessing speechMetadata documentMetadata
    spreadsheetMetadata audioMetadata""".split()
)
"""Members that describe a part and are none themselves."""


class _Choice:
    """What is known about one candidate so far. ``segment`` numbers its runs of parts of one ``kind``."""

    __slots__ = ("audio", "calls", "finish", "idents", "kind", "logprobs", "message", "metadata", "segment", "texts")

    def __init__(self) -> None:
        self.finish = ""
        self.message = ""
        self.texts: list[str] = []
        self.calls = 0
        self.idents: set[str] = set()
        self.kind = ""
        self.segment = -1
        self.logprobs: JsonObject | None = None
        self.metadata: JsonObject = {}
        self.audio: list[tuple[str, str]] = []

    def enter(self, kind: str) -> int:
        """The number of the segment that a part of ``kind`` belongs to."""
        if kind != self.kind or kind == "block":
            self.kind = kind
            self.segment += 1
        return self.segment


class Answer:
    """Frames in, chunks out. ``error`` is set by a frame that reports one, or at the end of an answer that is none."""

    __slots__ = ("_ask", "_blocked", "_choices", "_frames", "_stream", "_usage", "error")

    def __init__(self, ask: Ask) -> None:
        self.error: TollwayError | None = None
        self._ask = ask
        self._stream = ChatStream(ask)
        self._choices: dict[int, _Choice] = {}
        self._blocked: JsonObject = {}
        self._usage: Json = None
        self._frames = 0

    def frame(self, frame: JsonObject) -> list[JsonObject]:
        """The next frame."""
        if "error" in frame:
            self.error = error_within(frame)
            if self.error is not None:
                return []
        self._frames += 1
        stream = self._stream
        if not stream.ident:
            ident = frame.get("responseId")
            stream.ident = f"chatcmpl-{ident if isinstance(ident, str) and ident else self._ask.request_id}"
            stream.model = text(frame.get("modelVersion")) or stream.model
        usage = frame.get("usageMetadata")
        if usage:
            self._usage = usage
        feedback = frame.get("promptFeedback")
        if feedback:
            self._blocked = obj(feedback)
        chunks: list[JsonObject] = []
        for candidate in objects(frame.get("candidates")):
            chunks += self._candidate(candidate)
        return chunks

    def _candidate(self, candidate: JsonObject) -> list[JsonObject]:
        index = count(candidate.get("index")) or 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        if "logprobsResult" in candidate:
            choice.logprobs = logprobs_of(candidate["logprobsResult"])
        chunks: list[JsonObject] = []
        content = candidate.get("content")
        if isinstance(content, dict):
            for part in objects(content.get("parts")):
                chunks += self._part(part, index, choice)
        if choice.logprobs is not None:
            chunks += self._stream.delta({"content": ""}, index, logprobs=choice.logprobs)
            choice.logprobs = None
        for name in _METADATA:
            if name in candidate:
                choice.metadata[name] = {**obj(choice.metadata.get(name)), **obj(candidate[name])}
        finish = candidate.get("finishReason")
        if finish and isinstance(finish, str):
            choice.finish = finish
            choice.message = text(candidate.get("finishMessage")) or choice.message
        return chunks

    # ---- parts ------------------------------------------------------------------------------------------------------

    def _part(self, part: JsonObject, index: int, choice: _Choice) -> list[JsonObject]:
        if "functionCall" in part:
            return self._call(part, index, choice)
        said = part.get("text")
        if isinstance(said, str):
            chunks = self._text(said, part.get("thought") is True, index, choice)
        elif "inlineData" in part and part.get("thought") is not True:
            return self._media(part, index, choice)
        elif part.keys() - _BARE:
            return self._block(part, index, choice)
        else:
            chunks = []
        signature = part.get("thoughtSignature")
        if signature and isinstance(signature, str):
            chunks += self._stream.delta({"extra_content": extra_content(signature)}, index)
        return chunks

    def _text(self, said: str, thought: bool, index: int, choice: _Choice) -> list[JsonObject]:
        if not said:
            return []
        if thought:
            choice.enter("thought")
            return self._stream.reasoning(said, index)
        choice.enter("text")
        choice.texts.append(said)
        if choice.logprobs is not None:
            logprobs, choice.logprobs = choice.logprobs, None
            return self._stream.delta({"content": said}, index, logprobs=logprobs)
        return self._stream.content(said, index)

    def _call(self, part: JsonObject, index: int, choice: _Choice) -> list[JsonObject]:
        call = obj(part["functionCall"])
        name = text(call.get("name"))
        if not name:
            return self._block(part, index, choice)
        choice.enter("call")
        ident = text(call.get("id"))
        if not ident or ident in choice.idents:
            choices = f"{index}_" if index else ""
            ident = f"call_{self._ask.request_id[-24:]}_{choices}{choice.calls}"
        choice.idents.add(ident)
        choice.calls += 1
        args = call.get("args")
        arguments = dumps_text(args) if args is not None else "{}"
        signature = text(part.get("thoughtSignature"))
        if not signature:
            return self._stream.tool(choice.calls, ident, name, arguments, index)
        signed = signed_id(ident, signature)
        return self._stream.tool(choice.calls, signed, name, arguments, index, extra_content=extra_content(signature))

    def _media(self, part: JsonObject, index: int, choice: _Choice) -> list[JsonObject]:
        inline = obj(part["inlineData"])
        mime, data = text(inline.get("mimeType")), text(inline.get("data"))
        if mime.startswith("audio/"):
            choice.enter("audio")
            choice.audio.append((mime, data))
            return []
        if not mime.startswith("image/"):
            return self._block(part, index, choice)
        choice.enter("image")
        image: JsonObject = {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{data}"}}
        signature = text(part.get("thoughtSignature"))
        if signature:
            image["extra_content"] = extra_content(signature)
        return self._stream.delta({"images": [image]}, index)

    def _block(self, block: JsonObject, index: int, choice: _Choice) -> list[JsonObject]:
        """What chat has no word for: executed code, its result, parts that are new."""
        place = choice.enter("block")
        return self._stream.delta({"provider_blocks": [{"type": "gemini", "index": place, "block": block}]}, index)

    # ---- the end ----------------------------------------------------------------------------------------------------

    def close(self, *, whole: bool = False) -> list[JsonObject]:
        """The last chunks. ``whole``: the answer is known to be complete, so that a missing reason is none worth telling."""
        if self.error is not None:
            return []
        if not self._choices and text(self._blocked.get("blockReason")):
            return self._refused() + self._usage_chunk()
        self.error = self._failure(whole=whole)
        if self.error is not None:
            return []
        chunks: list[JsonObject] = []
        for index, choice in sorted(self._choices.items()):
            chunks += self._trailing(index, choice)
            chunks += self._stream.finish(_finish(choice), choice.finish, index)
        return chunks + self._usage_chunk()

    def _failure(self, *, whole: bool) -> TollwayError | None:
        if not self._frames:
            return no_answer("is empty")
        if not self._choices and whole:
            return no_answer("has neither a candidate nor a reason for that")
        if not whole and not (self._choices and all(choice.finish for choice in self._choices.values())):
            return UpstreamCut("The provider's answer broke off before its end.", detail="no finishReason")
        faulty = next((choice for choice in self._choices.values() if choice.finish in FAULTS), None)
        if faulty is not None and not self._stream.begun:
            said = f": {faulty.message}" if faulty.message else ""
            return no_answer(f"failed with {faulty.finish}{said}"[:500].rstrip("."))
        return None

    def _refused(self) -> list[JsonObject]:
        reason = text(self._blocked.get("blockReason"))
        said = text(self._blocked.get("blockReasonMessage")) or f"The prompt was blocked by the provider: {reason}."
        return [*self._stream.delta({"refusal": said}), *self._stream.finish("content_filter", reason)]

    def _trailing(self, index: int, choice: _Choice) -> list[JsonObject]:
        chunks: list[JsonObject] = []
        if choice.audio:
            chunks += self._stream.delta({"audio": self._audio(choice)}, index)
        for name, value in choice.metadata.items():
            chunks += self._block({name: value}, index, choice)
        annotations = annotations_of(choice.metadata, "".join(choice.texts)) if choice.metadata else []
        return chunks + self._stream.delta({"annotations": annotations}, index) if annotations else chunks

    def _audio(self, choice: _Choice) -> JsonObject:
        """All audio of an answer as one piece of base64."""
        pieces = [data for _, data in choice.audio]
        data = pieces[0]
        if len(pieces) > 1:
            try:
                data = b64encode(b"".join(b64decode(piece) for piece in pieces)).decode()
            except (Base64Error, ValueError):
                data = "".join(pieces)
        ident = self._stream.ident.replace("chatcmpl-", "audio_", 1)
        return {"id": ident, "data": data, "mime_type": choice.audio[0][0]}

    def _usage_chunk(self) -> list[JsonObject]:
        usage = usage_of(self._usage)
        return self._stream.usage(usage) if usage is not None else []


def _finish(choice: _Choice) -> Finish:
    if choice.finish == "CONTINUATION":
        return "length"
    return finish_of(choice.finish, called=choice.calls > 0)


def frames_in(document: Json) -> list[JsonObject] | None:
    """The frames of a JSON body: one, or a list of them (what ``streamGenerateContent`` answers without ``alt=sse``)."""
    if isinstance(document, dict):
        return [document]
    return objects(items(document)) if isinstance(document, list) else None
