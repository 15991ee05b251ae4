"""Reads a form out of every document: JSON by a schema, several at once, what failed again, and resumed where it stopped."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from openai import AsyncOpenAI, LengthFinishReasonError, OpenAIError, RateLimitError
from pydantic import BaseModel, Field, ValidationError

MODEL = "assistant"
AT_ONCE = 8  # documents under way; the gateway lets this key have 4, and the others wait there or come again
TRIES = 3  # for an answer that does not fit the form


class Item(BaseModel):
    """One line of an invoice."""

    name: str
    quantity: int = Field(ge=0)
    price: float = Field(ge=0)


class Invoice(BaseModel):
    """What is wanted of each document: sent to the model as a JSON schema, and checked again when the answer is here."""

    supplier: str = Field(min_length=1)
    number: str = Field(min_length=1)
    total: float = Field(ge=0)
    items: list[Item]


client = AsyncOpenAI(max_retries=8)  # the SDK itself repeats 429 and 5xx, after the pause that the gateway asks for


@dataclass
class Totals:
    """What the run came to."""

    failed: int = 0
    dollars: float = 0.0


async def main(wanted: list[dict[str, str]], results: Path) -> int:
    """Extracts what ``results`` does not have yet. Returns how many documents have no result."""
    done = results_of_before(results)
    todo = [document for document in wanted if document["id"] not in done]
    print(f"{len(wanted)} documents, {len(wanted) - len(todo)} of them done before")
    totals, slots = Totals(), asyncio.Semaphore(AT_ONCE)
    with results.open("a", encoding="utf-8") as file:
        try:
            async with asyncio.TaskGroup() as group:
                for document in todo:
                    group.create_task(one(document, file, totals, slots))
        except* RateLimitError as stopped:
            print(f"stopped: {stopped.exceptions[0]}", file=sys.stderr)
    missing = len(wanted) - len(results_of_before(results))
    print(f"{len(todo) - missing} extracted, {totals.failed} failed, {missing} missing, ${totals.dollars:.6f}")
    return missing


async def one(document: dict[str, str], file: TextIO, totals: Totals, slots: asyncio.Semaphore) -> None:
    """Writes the form of a document down, or says why there is none."""
    async with slots:
        try:
            invoice = await extract(document["text"], totals)
        except (OpenAIError, ValidationError) as error:
            if isinstance(error, RateLimitError) and error.code == "insufficient_quota":
                raise  # the budget: asking on would be refused as well
            totals.failed += 1
            print(f"{document['id']}: {error}", file=sys.stderr)
        else:
            file.write(json.dumps({"id": document["id"], **invoice.model_dump()}) + "\n")
            file.flush()  # a result that was paid for is kept, whatever happens next


async def extract(text: str, totals: Totals) -> Invoice:
    """The form of a text, asked for up to ``TRIES`` times."""
    for tries_left in reversed(range(TRIES)):
        raw = await client.chat.completions.with_raw_response.parse(
            model=MODEL,
            messages=[
                {"role": "system", "content": "Fill in the form from the document. Invent nothing."},
                {"role": "user", "content": text},
            ],
            response_format=Invoice,
            max_completion_tokens=1000,
        )
        totals.dollars += float(raw.headers.get("x-tollway-cost-usd", 0))
        try:
            form = raw.parse().choices[0].message.parsed
            if form is not None:  # None: the model refused
                return form
        except (ValidationError, LengthFinishReasonError):
            if not tries_left:
                raise
    raise OpenAIError("the model refused")


def results_of_before(results: Path) -> set[str]:
    """The ids that have a result. A last line that was cut by a crash is taken off, so that the next one begins afresh."""
    if not results.exists():
        return set()
    lines = results.read_bytes().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
        results.write_bytes(b"".join(lines))
    return {json.loads(line)["id"] for line in lines}


if __name__ == "__main__":
    documents = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    sys.exit(1 if asyncio.run(main(documents, Path(sys.argv[2]))) else 0)
