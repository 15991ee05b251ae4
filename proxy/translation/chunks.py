"""Builds the chunks of one answer the way OpenAI sends them: constant id, role first and once, dense tool indices, finish, usage."""

from ..wire.usage import Usage
from ..wire.values import Json, JsonObject
from .ask import Ask
from .finish import Finish


class ChatStream:
    """Used by every provider's decoder. Each method returns the chunks (usually one) that say what it is told.

    ``model`` and ``ident`` may be set until the first chunk is built. Tools are named by ``key``, whatever the provider numbers
    its calls with; their public index is the order of their first mention.
    """

    __slots__ = ("_ask", "_begun", "_counts", "_tools", "called", "ident", "model")

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._begun: set[int] = set()
        self._tools: dict[tuple[int, object], int] = {}
        self._counts: dict[int, int] = {}
        self.called = False
        """Has a tool been called?"""
        self.ident = ""
        self.model = ask.model

    @property
    def begun(self) -> bool:
        """Has the role chunk been sent?"""
        return bool(self._begun)

    def delta(self, delta: JsonObject, choice: int = 0, /, **beside: Json) -> list[JsonObject]:
        """Any delta; the role goes before the first one. ``beside``: members of the choice (``logprobs``)."""
        chunk = self._chunk([{"index": choice, "delta": delta, **beside, "finish_reason": None}])
        if choice in self._begun:
            return [chunk]
        self._begun.add(choice)
        role: JsonObject = {"role": "assistant", "content": ""}
        return [self._chunk([{"index": choice, "delta": role, "finish_reason": None}]), chunk]

    def begin(self, choice: int = 0) -> list[JsonObject]:
        """The role chunk, unless it has been sent."""
        if choice in self._begun:
            return []
        self._begun.add(choice)
        role: JsonObject = {"role": "assistant", "content": ""}
        return [self._chunk([{"index": choice, "delta": role, "finish_reason": None}])]

    def content(self, text: str, choice: int = 0) -> list[JsonObject]:
        """Text of the answer; nothing for an empty one."""
        return self.delta({"content": text}, choice) if text else []

    def reasoning(self, text: str, choice: int = 0) -> list[JsonObject]:
        """Text of the reasoning; nothing for an empty one."""
        return self.delta({"reasoning_content": text}, choice) if text else []

    def tool(
        self, key: object, ident: str, name: str, arguments: str = "", choice: int = 0, /, **beside: Json
    ) -> list[JsonObject]:
        """A tool call begins (or comes whole, with its ``arguments``). A missing id is made; ``name`` is the provider's spelling.

        A ``key`` that was told before is another call: hosts reuse their numbers.
        """
        index = self._counts.get(choice, 0)
        self._counts[choice] = index + 1
        self._tools[(choice, key)] = index
        self.called = True
        call: JsonObject = {
            "index": index,
            "id": ident or f"call_{self._ask.request_id[-24:]}_{index}",
            "type": "function",
            "function": {"name": self._ask.names.back(name), "arguments": arguments},
            **beside,
        }
        return self.delta({"tool_calls": [call]}, choice)

    def known(self, key: object, choice: int = 0) -> bool:
        """Has the tool call ``key`` begun?"""
        return (choice, key) in self._tools

    def arguments(self, key: object, fragment: str, choice: int = 0) -> list[JsonObject]:
        """A piece of the arguments of the call ``key``; nothing for an empty piece or a call that never began."""
        index = self._tools.get((choice, key))
        if index is None or not fragment:
            return []
        return self.delta({"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}, choice)

    def finish(self, reason: Finish, native: str = "", choice: int = 0) -> list[JsonObject]:
        """The last chunk of a choice. ``native``: the provider's own reason, kept beside where it says more."""
        end: JsonObject = {"index": choice, "delta": {}, "finish_reason": reason}
        if native and native.lower() != reason:
            end["native_finish_reason"] = native
        return [*self.begin(choice), self._chunk([end])]

    def usage(self, usage: JsonObject) -> list[JsonObject]:
        """The usage chunk. Always given to the front, which keeps it from a client that did not ask."""
        chunk = self._chunk([])
        chunk["usage"] = usage
        return [chunk]

    def _chunk(self, choices: list[Json]) -> JsonObject:
        ask = self._ask
        return {
            "id": self.ident or f"chatcmpl-{ask.request_id}",
            "object": "chat.completion.chunk",
            "created": ask.created,
            "model": self.model,
            "choices": choices,
        }


def usage_object(usage: Usage) -> JsonObject:
    """``usage`` as chat writes it, details of every class that is not zero."""
    found: JsonObject = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    prompt: JsonObject = {"cached_tokens": usage.cached}
    if usage.cache_write:
        prompt["cache_write_tokens"] = usage.cache_write
    if usage.audio_input:
        prompt["audio_tokens"] = usage.audio_input
    found["prompt_tokens_details"] = prompt
    output: JsonObject = {"reasoning_tokens": usage.reasoning}
    if usage.audio_output:
        output["audio_tokens"] = usage.audio_output
    found["completion_tokens_details"] = output
    return found
