"""The generated text of a whole JSON answer, for counting when its provider reports no usage."""

import msgspec
from msgspec import Raw, Struct

from .values import UNREADABLE


class _Function(Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _Call(Struct, frozen=True):
    function: _Function | None = None


class _Part(Struct, frozen=True):
    text: str | None = None


class _Message(Struct, frozen=True):
    content: str | list[_Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None


class _Choice(Struct, frozen=True):
    message: _Message | None = None
    text: str | None = None


class _Item(Struct, frozen=True):
    content: list[_Part] | None = None
    name: str | None = None
    arguments: str | None = None


class _Block(Struct, frozen=True):
    text: str | None = None
    thinking: str | None = None
    input: Raw = Raw()


class _Reply(Struct, frozen=True):
    choices: list[_Choice] | None = None
    content: list[_Block] | None = None
    output: list[_Item] | None = None


_decoder = msgspec.json.Decoder(_Reply)


def text_of(body: bytes) -> str:
    """Everything the model wrote, joined; empty when the body is no answer of the chat, completions, responses or messages kind."""
    try:
        reply = _decoder.decode(body)
    except UNREADABLE:
        return ""
    parts: list[str | None] = []
    for choice in reply.choices or ():
        parts.append(choice.text)
        message = choice.message
        if message is not None:
            content = message.content
            parts += [content] if isinstance(content, str) else [part.text for part in content or ()]
            parts += (message.reasoning_content or message.reasoning, message.refusal)
            called = [call.function for call in message.tool_calls or ()] + [message.function_call]
            for function in called:
                if function is not None:
                    parts += (function.name, function.arguments)
    for item in reply.output or ():
        parts += (item.name, item.arguments)
        parts += [part.text for part in item.content or ()]
    for block in reply.content or ():
        parts += (block.text, block.thinking, bytes(block.input).decode(errors="replace"))
    return "".join(part for part in parts if part)
