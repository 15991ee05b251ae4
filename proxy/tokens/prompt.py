"""The tokens of a whole request body, part by part: text, tools, images, audio, files and the framing around them.

Only what costs tokens is decoded. A body whose shape is not understood is estimated, never refused: that is the
upstream's business.
"""

from collections.abc import Callable
from math import ceil

import msgspec
from msgspec import Raw, Struct

from ..wire.usage import Source
from .attachments import audio_tokens, file_tokens
from .bpe import SHIPPED, VocabularyStore
from .encodings import EncodingName, Tokenizer, tokenizer_for
from .estimate import estimate_prompt, likely_tokens
from .images import HEADER, image_tokens, size_of_data_url
from .memo import Counted
from .text import LARGEST, count_text
from .tools import count_response_format, count_tool_choice, count_tools

PER_MESSAGE = 3
PER_NAME = 1
PRIMER = 3
"""Tokens that open the answer."""

PER_TOOL_CALL = 8
PER_TOOL_RESULT = 4
"""Not documented; these are upper bounds."""

CLAUDE_TOOL_PROMPT = 346
"""Tokens of the hidden prompt that Claude gets when there are tools."""


class PromptCount(Struct, frozen=True, kw_only=True):
    """Tokens of one request. ``total`` is the sum of ``text`` to ``overhead``; ``messages`` and ``*_estimated`` count things."""

    total: int = 0
    text: int = 0
    """Message contents, roles, names, tool calls' arguments; a prompt; embedding inputs."""
    tools: int = 0
    response_format: int = 0
    images: int = 0
    audio: int = 0
    files: int = 0
    overhead: int = 0
    """Framing of messages and tool calls, the answer's primer."""
    messages: int = 0
    """How many messages or inputs there are."""
    images_estimated: int = 0
    """Images whose size could not be seen, taken at the most they can cost."""
    source: Source = "estimated"
    encoding: EncodingName = "o200k_base"


def count_prompt(
    endpoint: str,
    model: str | None,
    body: bytes,
    *,
    encoding: EncodingName | None = None,
    store: VocabularyStore = SHIPPED,
) -> PromptCount:
    """Tokens of a JSON body of ``chat``, ``completions``, ``responses`` or ``embeddings``; other endpoints have 0.

    ``encoding`` overrules the model's own. Never raises on account of the body.
    """
    reader = _READERS.get(endpoint)
    if reader is None:
        return PromptCount(source="counted")
    tokenizer = tokenizer_for(model, encoding=encoding)
    tally = _Tally(tokenizer, store)
    try:
        reader(body, tally)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return estimated_prompt(endpoint, model, body)
    return tally.result()


def estimated_prompt(endpoint: str, model: str | None, body: bytes) -> PromptCount:
    """The same from bytes alone, all of it under ``text``."""
    if endpoint not in _READERS:
        return PromptCount(source="counted")
    likely = estimate_prompt(body).likely
    return PromptCount(total=likely, text=likely, encoding=tokenizer_for(model).encoding)


class _Tally:
    """Adds up one request."""

    def __init__(self, tokenizer: Tokenizer, store: VocabularyStore) -> None:
        self.tokenizer = tokenizer
        self.store = store
        self.vocabulary = tokenizer.vocabulary
        self.exact = tokenizer.source == "counted"
        self.left = LARGEST
        self.text = self.tools = self.response_format = self.overhead = 0
        self.images = self.audio = self.files = 0
        self.messages = self.images_estimated = 0

    def add_text(self, text: str | None) -> None:
        """Ordinary text. Once the request has had its share of tokenising, the rest is estimated."""
        if not text:
            return
        if self.left <= 0:
            self.exact = False
            self.text += likely_tokens(len(text) if text.isascii() else 4 * len(text))
            return
        self.left -= len(text)
        self.text += self._take(count_text(text, self.vocabulary, store=self.store))

    def add_tools(self, raw: Raw, *, has_system: bool) -> None:
        """A ``tools`` array."""
        if _present(raw):
            tokens = self._take(count_tools(bytes(raw), self.vocabulary, has_system=has_system, store=self.store))
            self.tools += tokens
            if tokens and self.tokenizer.family.startswith("claude"):
                self.overhead += CLAUDE_TOOL_PROMPT

    def add_tool_choice(self, raw: Raw) -> None:
        """A ``tool_choice``."""
        if _present(raw):
            self.overhead += self._take(count_tool_choice(bytes(raw), self.vocabulary, store=self.store))

    def add_response_format(self, raw: Raw) -> None:
        """A ``response_format`` or ``text.format``."""
        if _present(raw):
            self.response_format += self._take(count_response_format(bytes(raw), self.vocabulary, store=self.store))

    def add_image(self, url: Raw, detail: str | None) -> None:
        """An image: a data URL, or something that cannot be seen from here."""
        size = size_of_data_url(bytes(memoryview(url)[: HEADER + 256])) if _present(url) else None
        if size is None:
            self.images_estimated += 1
            self.exact = False
        self.images += image_tokens(self.tokenizer, size, detail or "auto")

    def add_audio(self, audio: "_Audio") -> None:
        """A recording, by its length."""
        self.exact = False
        data = memoryview(audio.data)
        self.audio += audio_tokens(self.tokenizer.family, bytes(data[1:257]), len(data), audio.format or "")

    def add_file(self, data: Raw) -> None:
        """A file, by its length if it is here."""
        self.exact = False
        view = memoryview(data)
        self.files += file_tokens(bytes(view[1:64]), len(view)) if _present(data) else file_tokens(b"", 0)

    def result(self) -> PromptCount:
        """The count so far, stretched for families with vocabularies of their own."""
        factor = self.tokenizer.factor
        text, tools = _times(self.text, factor), _times(self.tools, factor)
        response_format = _times(self.response_format, factor)
        return PromptCount(
            total=text + tools + response_format + self.images + self.audio + self.files + self.overhead,
            text=text,
            tools=tools,
            response_format=response_format,
            images=self.images,
            audio=self.audio,
            files=self.files,
            overhead=self.overhead,
            messages=self.messages,
            images_estimated=self.images_estimated,
            source="counted" if self.exact else "estimated",
            encoding=self.tokenizer.encoding,
        )

    def _take(self, counted: Counted) -> int:
        if counted.source != "counted":
            self.exact = False
        return counted.tokens


def _times(tokens: int, factor: float) -> int:
    return tokens if factor == 1.0 else ceil(tokens * factor)


_ABSENT = Raw(b"")


def _present(raw: Raw) -> bool:
    size = len(memoryview(raw))
    return size > 0 and (size != 4 or bytes(raw) != b"null")


class _Image(Struct):
    url: Raw = _ABSENT
    detail: str | None = None


class _Audio(Struct):
    data: Raw = _ABSENT
    format: str | None = None


class _File(Struct):
    file_data: Raw = _ABSENT


class _Part(Struct):
    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    image_url: Raw = _ABSENT
    detail: str | None = None
    input_audio: _Audio | None = None
    file: _File | None = None
    file_data: Raw = _ABSENT


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None
    input: str | None = None


class _ToolCall(Struct):
    function: _Function | None = None
    custom: _Function | None = None


class _Message(Struct):
    role: str | None = None
    content: str | list[_Part] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Chat(Struct):
    messages: list[_Message]
    tools: Raw = _ABSENT
    functions: Raw = _ABSENT
    tool_choice: Raw = _ABSENT
    response_format: Raw = _ABSENT


class _Item(Struct):
    type: str | None = None
    role: str | None = None
    content: str | list[_Part] | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    output: Raw = _ABSENT
    summary: list[_Part] | None = None
    encrypted_content: Raw = _ABSENT


class _Text(Struct):
    format: Raw = _ABSENT


class _Responses(Struct):
    input: str | list[_Item] | None = None
    instructions: str | None = None
    tools: Raw = _ABSENT
    tool_choice: Raw = _ABSENT
    text: _Text | None = None
    previous_response_id: str | None = None
    conversation: Raw = _ABSENT
    prompt: Raw = _ABSENT


_Inputs = str | list[str | int | list[int]] | None
"""A text, texts, token ids, or lists of them."""


class _Completion(Struct):
    prompt: _Inputs = None
    suffix: str | None = None


class _Embedding(Struct):
    input: _Inputs = None


_CHAT = msgspec.json.Decoder(_Chat)
_RESPONSES = msgspec.json.Decoder(_Responses)
_COMPLETION = msgspec.json.Decoder(_Completion)
_EMBEDDING = msgspec.json.Decoder(_Embedding)
_IMAGE = msgspec.json.Decoder(_Image)
_OUTPUT = msgspec.json.Decoder(str | _Part | list[_Part] | None)


def _read_chat(body: bytes, tally: _Tally) -> None:
    request = _CHAT.decode(body)
    has_system = False
    for message in request.messages:
        tally.messages += 1
        tally.overhead += PER_MESSAGE
        has_system = has_system or message.role in ("system", "developer")
        tally.add_text(message.role)
        _add_content(message.content, tally)
        tally.add_text(message.refusal)
        if message.name:
            tally.add_text(message.name)
            tally.overhead += PER_NAME
        if message.role in ("tool", "function"):
            tally.overhead += PER_TOOL_RESULT
        for call in message.tool_calls or ():
            _add_call(call.function or call.custom, tally)
        if message.function_call is not None:
            _add_call(message.function_call, tally)
    tally.overhead += PRIMER
    tally.add_tools(request.tools, has_system=has_system)
    tally.add_tools(request.functions, has_system=has_system)
    tally.add_tool_choice(request.tool_choice)
    tally.add_response_format(request.response_format)


def _add_call(function: _Function | None, tally: _Tally) -> None:
    tally.overhead += PER_TOOL_CALL
    if function is not None:
        tally.add_text(function.name)
        tally.add_text(function.arguments)
        tally.add_text(function.input)


def _add_content(content: str | list[_Part] | None, tally: _Tally) -> None:
    if isinstance(content, str):
        tally.add_text(content)
        return
    for part in content or ():
        _add_part(part, tally)


def _add_part(part: _Part, tally: _Tally) -> None:
    tally.add_text(part.text)
    tally.add_text(part.refusal)
    if _present(part.image_url):
        if memoryview(part.image_url)[0] == ord("{"):
            image = _IMAGE.decode(part.image_url)
            tally.add_image(image.url, image.detail)
        else:
            tally.add_image(part.image_url, part.detail)
    elif part.type in ("input_image", "image_url", "image_file", "computer_screenshot"):
        tally.add_image(_ABSENT, part.detail)
    if part.input_audio is not None:
        tally.add_audio(part.input_audio)
    if part.file is not None:
        tally.add_file(part.file.file_data)
    elif part.type == "input_file" or _present(part.file_data):
        tally.add_file(part.file_data)


def _read_responses(body: bytes, tally: _Tally) -> None:
    request = _RESPONSES.decode(body)
    has_system = bool(request.instructions)
    if request.instructions:
        _open_message("system", tally)
        tally.add_text(request.instructions)
    if isinstance(request.input, str):
        _open_message("user", tally)
        tally.add_text(request.input)
    else:
        for item in request.input or ():
            has_system = has_system or item.role in ("system", "developer")
            _add_item(item, tally)
    tally.overhead += PRIMER
    tally.add_tools(request.tools, has_system=has_system)
    tally.add_tool_choice(request.tool_choice)
    if request.text is not None:
        tally.add_response_format(request.text.format)
    if request.previous_response_id or _present(request.conversation) or _present(request.prompt):
        # Part of the prompt lies at the provider.
        tally.exact = False


def _open_message(role: str, tally: _Tally) -> None:
    tally.messages += 1
    tally.overhead += PER_MESSAGE
    tally.add_text(role)


def _add_item(item: _Item, tally: _Tally) -> None:
    if item.role is not None or item.type in (None, "message"):
        _open_message(item.role or "user", tally)
    elif item.type.endswith("_output"):
        _open_message("tool", tally)
        tally.overhead += PER_TOOL_RESULT
    elif item.type.endswith("_call"):
        tally.overhead += PER_TOOL_CALL
    else:
        tally.overhead += PER_MESSAGE
    _add_content(item.content, tally)
    tally.add_text(item.name)
    tally.add_text(item.arguments)
    tally.add_text(item.input)
    _add_content(item.summary, tally)
    if _present(item.output):
        output = _OUTPUT.decode(item.output)
        _add_content([output] if isinstance(output, _Part) else output, tally)
    if _present(item.encrypted_content):
        # Sealed reasoning: base64 of a text not longer than three quarters of it.
        tally.exact = False
        tally.text += likely_tokens(len(memoryview(item.encrypted_content)) * 3 // 4)
    if item.type is not None and item.type not in _KNOWN_ITEMS:
        tally.exact = False


_KNOWN_ITEMS = frozenset(
    (
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "computer_call_output",
        "reasoning",
    )
)
"""Items that are read in full; others have parts that are not."""


def _read_completion(body: bytes, tally: _Tally) -> None:
    request = _COMPLETION.decode(body)
    _add_inputs(request.prompt, tally)
    tally.add_text(request.suffix)


def _read_embedding(body: bytes, tally: _Tally) -> None:
    _add_inputs(_EMBEDDING.decode(body).input, tally)


def _add_inputs(inputs: str | list[str | int | list[int]] | None, tally: _Tally) -> None:
    if isinstance(inputs, str):
        tally.messages += 1
        tally.add_text(inputs)
        return
    for entry in inputs or ():
        if isinstance(entry, str):
            tally.messages += 1
            tally.add_text(entry)
        elif isinstance(entry, int):
            tally.text += 1
        else:
            tally.messages += 1
            tally.text += len(entry)
    if inputs and isinstance(inputs[0], int):
        tally.messages += 1


_READERS: dict[str, Callable[[bytes, _Tally], None]] = {
    "chat": _read_chat,
    "completions": _read_completion,
    "responses": _read_responses,
    "embeddings": _read_embedding,
    "tokens": _read_chat,
}
"""By endpoint name; ``/v1/tokens`` takes the body of a chat request."""
