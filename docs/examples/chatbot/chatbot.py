"""A chatbot for the terminal: it remembers, it streams, Ctrl-C stops an answer, and each answer says what it cost."""

import sys

from openai import APIError, APIStatusError, OpenAI
from openai.types.chat import ChatCompletionMessageParam
from openai.types.completion_usage import CompletionUsage

MODEL = "assistant"
REMEMBERED = 20  # messages: every one of them is sent, and paid for, with each question

client = OpenAI()  # reads OPENAI_BASE_URL and OPENAI_API_KEY


def main() -> None:
    """Asks and answers until the input ends."""
    prices = prices_of(MODEL)
    history: list[ChatCompletionMessageParam] = []
    while True:
        try:
            question = input("you> ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if question:
            history.append({"role": "user", "content": question})
            text = answer(history[-REMEMBERED:], prices)
            if text:
                history.append({"role": "assistant", "content": text})
            else:
                history.pop()  # nobody answered: the next question does not build on it


def answer(messages: list[ChatCompletionMessageParam], prices: dict[str, float]) -> str:
    """Prints the answer while it arrives. Returns what arrived, which is all of it unless somebody or something stopped it."""
    text = ""
    try:
        stream = client.chat.completions.create(
            model=MODEL, messages=messages, stream=True, stream_options={"include_usage": True}
        )
        with stream:  # leaving this block closes the connection, and the gateway ends the provider's work
            print("bot> ", end="")
            for chunk in stream:
                for choice in chunk.choices:
                    piece = choice.delta.content or ""
                    text += piece  # first: what was seen is remembered, whenever somebody stops it
                    print(piece, end="", flush=True)
                if chunk.usage:
                    print(f"\n     ({chunk.usage.total_tokens} tokens, ${cost(chunk.usage, prices):.6f})")
    except KeyboardInterrupt:
        print("\n     (stopped)")
    except APIStatusError as error:  # the gateway said no, and says why: a limit, the budget, no provider left
        print(f"     ({error.message})", file=sys.stderr)
    except APIError as error:  # the connection, or the stream after it had begun
        print(f"\n     (broke off: {error.message})", file=sys.stderr)
    return text


def prices_of(model: str) -> dict[str, float]:
    """US dollars per million tokens, as the gateway knows them."""
    known = client.models.retrieve(model).model_extra or {}
    prices = known.get("tollway", {}).get("prices", {})
    return {"input": prices.get("input") or 0.0, "output": prices.get("output") or 0.0}


def cost(usage: CompletionUsage, prices: dict[str, float]) -> float:
    """US dollars."""
    return (usage.prompt_tokens * prices["input"] + usage.completion_tokens * prices["output"]) / 1_000_000


if __name__ == "__main__":
    main()
