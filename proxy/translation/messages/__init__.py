"""What clients of Anthropic's Messages API speak, to and from chat. Source: Anthropic's Messages reference, version 2026-10-21."""

from ...wire.values import JsonObject, items, text
from ..ask import Ask
from .reply import message
from .request import chat_request
from .stream import MessagesStream


class MessagesFront:
    """Implements ``Front``; made for one request, because an answer depends on what was asked."""

    def __init__(self) -> None:
        self._stops: tuple[str, ...] = ()

    def request(self, body: JsonObject, ask: Ask) -> JsonObject:
        """A body of ``/v1/messages`` (or of ``/v1/messages/count_tokens``) as a chat request."""
        self._stops = tuple(text(stop) for stop in items(body.get("stop_sequences")))
        return chat_request(body, ask)

    def reply(self, chat: JsonObject, ask: Ask) -> JsonObject:
        """A ``chat.completion`` as a ``message``."""
        return message(chat, ask, self._stops)

    def stream(self, ask: Ask) -> MessagesStream:
        """Chunks as ``message_start`` … ``message_stop``."""
        return MessagesStream(ask, self._stops)
