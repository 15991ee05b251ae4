"""What each function does in a request: bytecode instructions, Python calls and calls into C, by the interpreter's own hooks.

Two runs: the hook for instructions does not see calls into C.
"""

import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from types import CodeType, FrameType, TracebackType

OURS = ("tests.bench.chain", "tests.bench.product", "tests.bench.gate")
"""What measures is not measured."""


def name_of(frame: FrameType) -> str:
    """``module:qualified.name``; comprehensions and closures keep the name of what they are in."""
    return f"{frame.f_globals.get('__name__', '?')}:{frame.f_code.co_qualname}"


class Opcodes:
    """Bytecode instructions by code object, while it is entered. Frames that were there before are not followed."""

    def __init__(self, seen: Callable[[FrameType], None] | None = None) -> None:
        """``seen``: told of each instruction before it runs."""
        self._counts: Counter[CodeType] = Counter()
        self._names: dict[CodeType, str] = {}
        self._seen = seen

    def __enter__(self) -> "Opcodes":
        sys.settrace(self._entered)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        sys.settrace(None)

    def by_function(self) -> Counter[str]:
        """Instructions of each function."""
        found: Counter[str] = Counter()
        for code, count in self._counts.items():
            found[self._names[code]] += count
        return found

    def _entered(self, frame: FrameType, event: str, _: object) -> Callable[..., object] | None:
        code = frame.f_code
        if code not in self._names:
            self._names[code] = name_of(frame)
        if self._names[code].startswith(OURS):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._stepped

    def _stepped(self, frame: FrameType, event: str, _: object) -> Callable[..., object]:
        if event == "opcode":
            self._counts[frame.f_code] += 1
            if self._seen is not None:
                self._seen(frame)
        return self._stepped


class Calls:
    """Calls by name, while it is entered: Python functions (each resumption of a coroutine is one), and C functions in parentheses."""

    def __init__(self, seen: Callable[[FrameType, object], None] | None = None) -> None:
        """``seen``: told of each call; the object is the C function that is called, else ``None``."""
        self.counts: Counter[str] = Counter()
        self._names: dict[CodeType, str] = {}
        self._seen = seen

    def __enter__(self) -> "Calls":
        sys.setprofile(self._met)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        sys.setprofile(None)

    def _met(self, frame: FrameType, event: str, called: object) -> None:
        if event not in ("call", "c_call"):
            return
        code = frame.f_code
        if code not in self._names:
            self._names[code] = name_of(frame)
        name = self._names[code]
        if name.startswith(OURS):
            return
        self.counts[name if event == "call" else f"({native(called)})"] += 1
        if self._seen is not None:
            self._seen(frame, called if event == "c_call" else None)


def native(called: object) -> str:
    """A C function's name with its owner's type: ``dict.get``, ``time.perf_counter``."""
    owner = getattr(called, "__self__", None)
    name = getattr(called, "__qualname__", None) or getattr(called, "__name__", "?")
    if owner is None or "." in name:
        return f"{getattr(called, '__module__', None) or ''}.{name}".lstrip(".")
    return f"{owner.__name__ if hasattr(owner, '__name__') else type(owner).__name__}.{name}"


def split(counts: Counter[str]) -> tuple[int, int]:
    """Python calls and C calls."""
    in_c = sum(count for name, count in counts.items() if name.startswith("("))
    return counts.total() - in_c, in_c


async def traced(work: Callable[[], Awaitable[None]], hook: Opcodes | Calls) -> None:
    """Runs ``work`` under a hook, in this task: the frames of a task of its own begin after the hook was set."""
    with hook:
        await work()
