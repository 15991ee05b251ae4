"""What the tests ask. A model of 135M parameters calls a tool once it has seen it done; at temperature 0 it always does."""

from typing import Any

GREEDY: dict[str, Any] = {"temperature": 0, "seed": 1}
QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: Any = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather of a city", "parameters": CITY},
}
SHOWN: list[Any] = [
    {"role": "user", "content": "What is the weather in Oslo?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "4 C, rain"},
    {"role": "assistant", "content": "It is 4 C and rainy in Oslo."},
    {"role": "user", "content": "What is the weather in Paris?"},
]

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
