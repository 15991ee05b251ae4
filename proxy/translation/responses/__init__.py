"""What clients of OpenAI's Responses API speak, to and from chat. Source: OpenAI's API description, August 2026.

Nothing is stored: a request that refers to an earlier answer is refused with the reason, never answered without it.
"""

from ...wire.values import JsonObject
from ..ask import Ask
from .echo import Echo
from .reply import response
from .request import chat_request
from .stream import ResponsesStream
from .tools import Tools


class ResponsesFront:
    """Implements ``Front``; made for one request, whose parameters stand in the answer again."""

    def __init__(self) -> None:
        self._tools = Tools()
        self._asked: JsonObject = {}

    def request(self, body: JsonObject, ask: Ask) -> JsonObject:
        """A body of ``/v1/responses`` as a chat request."""
        self._asked = body
        self._tools = Tools()
        return chat_request(body, self._tools, ask)

    def reply(self, chat: JsonObject, ask: Ask) -> JsonObject:
        """A ``chat.completion`` as a ``response``."""
        return response(chat, Echo(self._asked, ask), self._tools, ask)

    def stream(self, ask: Ask) -> ResponsesStream:
        """Chunks as ``response.created`` … ``response.completed``."""
        return ResponsesStream(Echo(self._asked, ask), self._tools, ask)
