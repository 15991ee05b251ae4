"""What a caller can set: every control is one entry of CONTROLS, a header `x-mock-<name>` and a flag `--<name>`.

The header is for one request, the flag for all requests that do not carry the header. Times are milliseconds.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

PREFIX = "x-mock-"
FLAVOURS = (
    "cerebras",
    "cloudflare",
    "databricks",
    "deepseek",
    "groq",
    "minimax",
    "mistral",
    "moonshot",
    "nvidia",
    "ollama",
    "openrouter",
    "perplexity",
    "siliconflow",
    "together",
    "vllm",
    "xai",
    "zai",
)
"""Names of the OpenAI-speaking providers whose ways the mock can take on; flavours.py says what they are."""


class Controls(Struct, frozen=True, kw_only=True):
    """The settings one request is answered with; times in milliseconds."""

    seed: int = 0
    head_delay: float = 0.0
    first_token: float = 0.0
    pace: float = 0.0
    jitter: float = 0.0
    tokens: int | None = None
    usage: bool | None = None
    done: bool = True
    stamp: bool = False
    unicode: bool = False
    tool_calls: int | None = None
    reasoning: int | None = None
    preface: int | None = None
    finish: str = ""
    novelty: bool = False
    flavour: str = ""
    role_repeat: bool = False
    framing: str = ""
    split: int = 0
    encoding: str = "identity"
    reply_headers: tuple[tuple[str, str], ...] = ()
    fault: str = ""
    fault_times: int | None = None
    fault_id: str = ""


class Control(Struct, frozen=True):
    """One control: its name, how its text is read, the forms it takes and what it does."""

    name: str
    read: Callable[[str], object]
    form: str
    doc: str

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")

    @property
    def switch(self) -> bool:
        """Whether it is on or off, so that its flag is a pair."""
        return self.read is _switch


class BadControl(ValueError):
    """A control nobody knows, or a value it cannot take."""


def _switch(text: str) -> bool:
    values = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}
    try:
        return values[text.strip().lower()]
    except KeyError:
        raise ValueError("use on or off") from None


def _milliseconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 86_400_000:
        raise ValueError("use 0 to 86400000 milliseconds")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 1_000_000:
        raise ValueError("use 0 to 1000000")
    return value


def _one_of(*names: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in names:
            raise ValueError(f"use {' or '.join(names)}")
        return text

    return read


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for item in text.split(";"):
        name, equals, value = item.strip().partition("=")
        if item.strip():
            if not equals or not name:
                raise ValueError("use name=value;name=value")
            pairs.append((name, value))
    return tuple(pairs)


_ENTRIES = (
    Control("seed", int, "integer", "Changes every text, id and number that is derived from the request."),
    Control("head-delay", _milliseconds, "ms", "Waits before the response head."),
    Control(
        "first-token",
        _milliseconds,
        "ms",
        "Waits between the head and the first event; a plain answer waits before its head, as it is made whole.",
    ),
    Control("pace", _milliseconds, "ms", "Time between events; 0 sends them in one burst."),
    Control("jitter", _milliseconds, "ms", "Adds 0 to this many milliseconds to each pause, drawn from the seed."),
    Control(
        "tokens", _count, "count", "Length of the answer in tokens (default 24); the request's limit still caps it."
    ),
    Control("usage", _switch, "on, off", "`on` reports usage even if nobody asked, `off` never does."),
    Control("done", _switch, "on, off", "`off` leaves out the final `data: [DONE]`, or the event in its place."),
    Control("stamp", _switch, "on, off", "Adds `@<monotonic nanoseconds>` to the text of every chunk of a stream."),
    Control("unicode", _switch, "on, off", "Adds a character of two to four UTF-8 bytes to every token."),
    Control(
        "tool-calls",
        _count,
        "count",
        "How many tool calls to answer with when the request has tools; 0 answers with text.",
    ),
    Control(
        "reasoning",
        _count,
        "count",
        "Length of the thoughts in tokens; without it 12 where the request or the model's name asks for thinking.",
    ),
    Control(
        "preface", _count, "count", "Length of the text before tool calls (default 0; a tool plan of 8 at Cohere)."
    ),
    Control("finish", str, "word", "Why the answer ended, in the dialect's own word, whatever the true reason is."),
    Control("novelty", _switch, "on, off", "Adds a block, part or member that no documentation knows."),
    Control(
        "flavour",
        _one_of(*FLAVOURS),
        "name",
        "Speaks OpenAI's dialect the way a provider of the table below does.",
    ),
    Control("role-repeat", _switch, "on, off", "Repeats `role` in every chat chunk, as some hosts do."),
    Control(
        "framing",
        _one_of("lf", "crlf", "cr"),
        "lf, crlf, cr",
        "Line ends of the events; without it CRLF at Gemini, LF elsewhere.",
    ),
    Control(
        "split",
        _count,
        "bytes",
        "Writes event streams in socket writes of this many bytes, flushing between; 0 is off.",
    ),
    Control("encoding", _one_of("identity", "gzip"), "identity, gzip", "Content coding of the answer."),
    Control("reply-headers", _pairs, "name=value;...", "Extra response headers."),
    Control(
        "fault",
        str,
        "fault[:value][@n]",
        "A fault of the table below; `@3` hits every third request, `@0.1` one in ten.",
    ),
    Control("fault-times", _count, "count", "Only the first so many requests of a `fault-id` meet the fault."),
    Control("fault-id", str, "text", "The name that `fault-times` counts under."),
)

CONTROLS: dict[str, Control] = {control.name: control for control in _ENTRIES}


def read(defaults: Controls, settings: Mapping[str, str]) -> Controls:
    """Return `defaults` with `settings` (control name to text) applied; raise BadControl for what cannot be read."""
    changes: dict[str, object] = {}
    for name, text in settings.items():
        control = CONTROLS.get(name)
        if control is None:
            raise BadControl(f"Unknown control '{PREFIX}{name}'; the controls are {', '.join(CONTROLS)}.")
        try:
            changes[control.field] = control.read(text)
        except ValueError as problem:
            raise BadControl(f"Control '{PREFIX}{name}' cannot be {text!r}: {problem}.") from None
    return replace(defaults, **changes) if changes else defaults
