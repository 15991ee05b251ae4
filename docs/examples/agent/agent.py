"""An agent with tools: it streams, it looks things up, it may do one thing that costs money, and it comes to an end."""

import json
import sys
from collections.abc import Callable

from openai import APIError, OpenAI
from openai.types.chat import (
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageFunctionToolCallParam,
    ChatCompletionMessageParam,
)
from openai.types.chat.chat_completion_message_function_tool_call_param import Function

MODEL = "assistant"
STEPS = 5  # rounds of tool calls; then it must answer with what it has

client = OpenAI()  # reads OPENAI_BASE_URL and OPENAI_API_KEY

ORDERS = {"A-1": {"item": "kettle", "paid": 30.0}, "A-2": {"item": "lamp", "paid": 45.0}}
REFUNDS: dict[str, float] = {}


def look_up_order(order: str) -> object:
    """Reading: may be done any number of times."""
    return ORDERS.get(order) or {"error": f"there is no order {order}"}


def refund_order(order: str) -> object:
    """Doing: twice must be the same as once, because models repeat themselves and requests are sent again."""
    if order not in ORDERS:
        return {"error": f"there is no order {order}"}
    again = order in REFUNDS
    REFUNDS.setdefault(order, float(str(ORDERS[order]["paid"])))  # the order is the key under which it is done once
    return {"refunded": REFUNDS[order], "already_done": again}


TOOLS: dict[str, Callable[..., object]] = {"look_up_order": look_up_order, "refund_order": refund_order}


def described(name: str, what: str) -> ChatCompletionFunctionToolParam:
    """A tool that takes an order, as the API wants it."""
    order = {"type": "string", "enum": sorted(ORDERS), "description": "the order's number"}
    schema = {"type": "object", "properties": {"order": order}, "required": ["order"], "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": what, "parameters": schema, "strict": True}}


DESCRIBED = [
    described("look_up_order", "What was ordered, and what was paid."),
    described("refund_order", "Pays an order back."),
]


def run(task: str, steps: int = STEPS) -> str:
    """Works on the task, a round of tool calls after the other, for at most so many. Returns the last answer."""
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "You help customers with their orders. Use the tools; invent nothing."},
        {"role": "user", "content": task},
    ]
    for step in range(steps + 1):
        may_call = step < steps
        text, calls = ask(messages, may_call)
        if not calls or not may_call:
            return text
        messages.append(
            {"role": "assistant", "content": text or None, "tool_calls": [sent_back(call) for call in calls]}
        )
        for call in calls:
            result = json.dumps(called(call["name"], call["arguments"]))
            print(f"  {call['name']}({call['arguments']}) -> {result}")
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    return ""


def sent_back(call: dict[str, str]) -> ChatCompletionMessageFunctionToolCallParam:
    """A call as the next request has to repeat it."""
    function: Function = {"name": call["name"], "arguments": call["arguments"]}
    return {"id": call["id"], "type": "function", "function": function}


def ask(messages: list[ChatCompletionMessageParam], may_call: bool) -> tuple[str, list[dict[str, str]]]:
    """(text, tool calls). Text is printed while it arrives; a tool call arrives in pieces, which belong together by index."""
    text, calls = "", dict[int, dict[str, str]]()
    with client.chat.completions.create(
        model=MODEL, messages=messages, tools=DESCRIBED, tool_choice="auto" if may_call else "none", stream=True
    ) as stream:
        for chunk in stream:
            for choice in chunk.choices:
                if choice.delta.content:
                    print(choice.delta.content, end="", flush=True)
                    text += choice.delta.content
                for piece in choice.delta.tool_calls or []:
                    call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                    call["id"] = piece.id or call["id"]
                    if piece.function:
                        call["name"] += piece.function.name or ""
                        call["arguments"] += piece.function.arguments or ""
    if text:
        print()
    return text, [calls[index] for index in sorted(calls)]


def called(name: str, arguments: str) -> object:
    """What the tool says. A model may name what is not there or write broken arguments: it is told so, and may try again."""
    try:
        return TOOLS[name](**json.loads(arguments))
    except (KeyError, TypeError, ValueError) as error:
        return {"error": f"{name} cannot be called like this: {error!r}"}


if __name__ == "__main__":
    try:
        run(" ".join(sys.argv[1:]) or "My kettle, order A-1, is broken. I want my money back.")
    except APIError as error:  # a limit, the budget, no provider left: the gateway says which
        sys.exit(error.message)
