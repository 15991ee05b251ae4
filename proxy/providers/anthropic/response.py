"""A whole message as a ``chat.completion``."""

from ...errors import UpstreamInvalid
from ...translation.ask import Ask
from ...translation.completion import choice, completion, tool_call
from ...translation.finish import Finish, finish_of
from ...wire.values import Json, JsonObject, obj, text
from .blocks import cited, is_output, kept, redacted, thought, with_citations
from .errors import error_within, is_error
from .reading import arguments_of, document_in
from .usage import usage_of


def decode(body: bytes, ask: Ask) -> JsonObject:
    """Raises ``UpstreamInvalid`` for what is no message, and the error that a 200 may hide."""
    document = document_in(body)
    if document is None:
        raise UpstreamInvalid("The provider's answer is not a JSON object.", detail=repr(body[:200]))
    if is_error(document):
        raise error_within(document)
    content = document.get("content")
    if not isinstance(content, list):
        raise UpstreamInvalid("The provider's answer has no content.", detail=repr(body[:200]))
    found = Answer(ask)
    for index, block in enumerate(content):
        if isinstance(block, dict):
            found.take(index, block)
    usage = usage_of(obj(document.get("usage")))
    return completion(
        ask,
        [found.choice(document)],
        usage,
        ident=text(document.get("id")),
        model=text(document.get("model")),
    )


def finish(native: str, *, called: bool, answered: bool) -> Finish:
    """The finish reason; ``answered``: structured output came as a tool call, which for the client is none."""
    if answered and not called and native == "tool_use":
        return "stop"
    return finish_of(native, called=called)


def refusal_of(stopped: JsonObject) -> str:
    """Why the model declined, in its own words; empty when it gave none."""
    if stopped.get("stop_reason") != "refusal":
        return ""
    return text(obj(stopped.get("stop_details")).get("explanation"))


class Answer:
    """Gathers the blocks of one message."""

    __slots__ = (
        "_annotations",
        "_answered",
        "_ask",
        "_calls",
        "_length",
        "_provider",
        "_reasoning",
        "_texts",
        "_thoughts",
    )

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._texts: list[str] = []
        self._length = 0
        self._reasoning: list[str] = []
        self._thoughts: list[Json] = []
        self._calls: list[JsonObject] = []
        self._annotations: list[Json] = []
        self._provider: list[Json] = []
        self._answered = False

    def take(self, index: int, block: JsonObject) -> None:
        """One block, ``index`` being its place."""
        kind = block.get("type")
        if kind == "text":
            self._take_text(index, text(block.get("text")), block.get("citations"))
        elif kind == "tool_use":
            self._take_call(block)
        elif kind == "thinking":
            self._reasoning.append(text(block.get("thinking")))
            if text(block.get("signature")):
                self._thoughts.append(thought(text(block.get("thinking")), text(block["signature"])))
        elif kind == "redacted_thinking":
            self._thoughts.append(redacted(text(block.get("data"))))
        elif isinstance(kind, str):
            self._provider.append(kept(block, index, self._length))

    def _take_text(self, index: int, said: str, citations: Json) -> None:
        if citations:
            self._annotations += cited(self._length, said, citations)
            self._provider.append(kept(with_citations(said, citations), index, self._length))
        self._add(said)

    def _take_call(self, block: JsonObject) -> None:
        name, arguments = text(block.get("name")), arguments_of(block.get("input"))
        if is_output(self._ask, name):
            self._answered = True
            self._add(arguments)
            return
        self._calls.append(tool_call(self._ask, len(self._calls), text(block.get("id")), name, arguments))

    def _add(self, said: str) -> None:
        self._texts.append(said)
        self._length += len(said)

    def choice(self, stopped: JsonObject) -> JsonObject:
        """The only choice. ``stopped``: the message, which says why it ended."""
        native = text(stopped.get("stop_reason"))
        content = "".join(self._texts)
        beside: JsonObject = {}
        if self._thoughts:
            beside["thinking_blocks"] = self._thoughts
        if self._annotations:
            beside["annotations"] = self._annotations
        if self._provider:
            beside["provider_blocks"] = self._provider
        if obj(stopped.get("container")):
            beside["container"] = stopped["container"]
        found = choice(
            content=None if self._calls and not content else content,
            finish=finish(native, called=bool(self._calls), answered=self._answered),
            native=native,
            reasoning="".join(self._reasoning),
            refusal=refusal_of(stopped) or None,
            tool_calls=self._calls,
        )
        obj(found["message"]).update(beside)
        return found
