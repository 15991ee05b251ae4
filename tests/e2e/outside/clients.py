"""The same question by three clients, OpenAI's chat and responses and Anthropic's messages: one reading of the answer for all."""

import json
from dataclasses import dataclass
from typing import Any

import anthropic
import openai

from tests.support.processes import KEY

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
CLIENTS = ("chat", "messages", "responses")
FAILURES = (openai.OpenAIError, anthropic.AnthropicError)


@dataclass(frozen=True)
class Answer:
    """``usage``: (input, output) in tokens, ``None`` where none was told."""

    text: str
    tools: tuple[tuple[str, Any], ...]
    finish: str
    usage: tuple[int, int] | None
    reasoning: str = ""


FINISHES = {
    "end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "refusal": "content_filter", "stop_sequence": "stop",
}  # fmt: skip


class Asker:
    """Asks one gateway."""

    def __init__(self, origin: str) -> None:
        self._openai = openai.OpenAI(base_url=f"{origin}/v1", api_key=KEY, max_retries=0, timeout=20)
        self._anthropic = anthropic.Anthropic(base_url=origin, api_key=KEY, max_retries=0, timeout=20)

    def close(self) -> None:
        self._openai.close()
        self._anthropic.close()

    def ask(self, client: str, model: str, text: str, *, stream: bool, tools: bool = False) -> Answer:
        """Raises the SDK's own error."""
        found: Answer = getattr(self, f"_{client}")(model, text, stream, tools)
        return found

    def _chat(self, model: str, text: str, stream: bool, tools: bool) -> Answer:
        asked: Any = {"model": model, "messages": [{"role": "user", "content": text}], "max_completion_tokens": 200}
        if tools:
            asked["tools"] = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
        if stream:
            with self._openai.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
                for _ in events:
                    pass
                found: Any = events.get_final_completion()
        else:
            found = self._openai.chat.completions.create(**asked)
        (choice,) = found.choices
        message = choice.message.to_dict()
        usage = (found.usage.prompt_tokens, found.usage.completion_tokens) if found.usage is not None else None
        return Answer(
            choice.message.content or "",
            tuple(
                (call["function"]["name"], _parsed(call["function"]["arguments"]))
                for call in message.get("tool_calls") or []
            ),
            choice.finish_reason,
            usage,
            message.get("reasoning_content") or message.get("reasoning") or "",
        )

    def _messages(self, model: str, text: str, stream: bool, tools: bool) -> Answer:
        asked: Any = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 200}
        if tools:
            asked["tools"] = [{"name": "get_weather", "input_schema": SCHEMA}]
        if stream:
            with self._anthropic.messages.stream(**asked) as events:
                found: Any = events.get_final_message()
        else:
            found = self._anthropic.messages.create(**asked)
        assert found.stop_reason is not None
        blocks = found.content
        return Answer(
            "".join(block.text for block in blocks if block.type == "text"),
            tuple((block.name, block.input) for block in blocks if block.type == "tool_use"),
            FINISHES[found.stop_reason],
            (found.usage.input_tokens, found.usage.output_tokens),
            "".join(block.thinking for block in blocks if block.type == "thinking"),
        )

    def _responses(self, model: str, text: str, stream: bool, tools: bool) -> Answer:
        asked: Any = {"model": model, "input": text, "max_output_tokens": 200}
        if tools:
            asked["tools"] = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}]
        if stream:
            last: Any = list(self._openai.responses.create(**asked, stream=True))[-1]
            if last.type == "error":
                raise openai.OpenAIError(last.message)
            if last.type == "response.failed":
                raise openai.OpenAIError(last.response.error.message)
            assert last.type in ("response.completed", "response.incomplete"), last
            found = last.response
        else:
            found = self._openai.responses.create(**asked)
        calls = tuple((item.name, _parsed(item.arguments)) for item in found.output if item.type == "function_call")
        finish = "tool_calls" if calls else "stop" if found.status == "completed" else "length"
        usage = (found.usage.input_tokens, found.usage.output_tokens) if found.usage is not None else None
        thoughts = [
            part.text for item in found.output if item.type == "reasoning" for part in item.content or item.summary
        ]
        return Answer(found.output_text, calls, finish, usage, "".join(thoughts))


def _parsed(arguments: str) -> Any:
    return json.loads(arguments)
