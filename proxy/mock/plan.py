"""How one answer goes onto the wire: what the handler said, and what a fault changed about its sending."""

from dataclasses import dataclass, field
from typing import Literal

from .dialect import OPENAI, Dialect
from .reply import Reply

Before = Literal["", "reset", "reset-head", "close", "hang"]
Ending = Literal["", "fin", "rst", "hang"]


@dataclass(slots=True)
class Plan:
    """The sending of `reply`; a plain body counts as events of 16 bytes where a fault counts events."""

    reply: Reply
    dialect: Dialect = OPENAI
    before: Before = ""
    early: int = 0
    status: str = ""
    raw_headers: list[bytes] = field(default_factory=list)
    until_eof: bool = False
    both_framings: bool = False
    length_error: int = 0
    bad_chunk: int | None = None
    stop_after: int | None = None
    ending: Ending = ""
    half_event: bool = False
    insert_at: int = 0
    insert: bytes = b""
    twice: int | None = None
    last_words: bytes = b""
    blank_line: bool = True
    drip: float | None = None
