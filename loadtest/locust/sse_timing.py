"""What the lines of one streamed chat answer say about its timing: first token, gaps between chunks, speed.

Knows nothing of Locust or of sockets: whoever reads the lines says when each came.
"""

import json
from dataclasses import dataclass, field


@dataclass
class Stream:
    """One answer while it is read. Times are seconds of one monotonic clock; ``sent`` is when the request left."""

    sent: float
    words: list[float] = field(default_factory=list)
    """When each chunk with text came. A chunk is often one token, but a provider may put several into one."""
    reported: int = 0
    """Output tokens as the answer's own usage has them; 0 if it has none."""
    ended: float = 0.0
    done: bool = False
    """Did it end with ``[DONE]``, and nothing behind it?"""
    error: str = ""

    def line(self, line: bytes, at: float) -> None:
        """One line of the body, its end included."""
        if not line.startswith(b"data:"):
            return
        data = line[5:].strip()
        self.ended = at
        if self.done:
            self.error = "an event came after [DONE]"
        elif data == b"[DONE]":
            self.done = True
        else:
            self._event(data, at)

    def _event(self, data: bytes, at: float) -> None:
        try:
            event = json.loads(data)
        except ValueError:
            self.error = "an event is no JSON"
            return
        if not isinstance(event, dict) or "error" in event:
            self.error = f"an error event: {data.decode(errors='replace')[:200]}"
            return
        if usage := event.get("usage"):
            self.reported = int(usage.get("completion_tokens") or 0)
        if any((choice.get("delta") or {}).get("content") for choice in event.get("choices") or ()):
            self.words.append(at)

    @property
    def fault(self) -> str:
        """Why this is no whole answer; "" if it is one."""
        if self.error or (self.done and self.words):
            return self.error
        return "there was no text" if self.done else "the stream broke off"

    @property
    def tokens(self) -> int:
        """Output tokens: those reported, else the chunks with text."""
        return self.reported or len(self.words)

    @property
    def ttft(self) -> float:
        """Seconds from sending to the first chunk with text."""
        return self.words[0] - self.sent

    @property
    def gaps(self) -> list[float]:
        """Seconds between one chunk with text and the next."""
        return [later - earlier for earlier, later in zip(self.words, self.words[1:], strict=False)]

    @property
    def tokens_per_s(self) -> float:
        """How fast it ran once it had begun: tokens after the first by the seconds they took. 0 where one read brought everything."""
        took = self.words[-1] - self.words[0]
        return (self.tokens - 1) / took if took > 0 else 0.0
