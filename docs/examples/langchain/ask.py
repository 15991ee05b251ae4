"""LangChain through the gateway: a chain that streams, a form filled in, and what the gateway says about the answer."""

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

model = ChatOpenAI(model="assistant", include_response_headers=True)  # reads OPENAI_BASE_URL and OPENAI_API_KEY


class Ticket(BaseModel):
    """A customer's message, sorted."""

    subject: str
    urgent: bool


def main() -> None:
    """The three things, one after the other."""
    chain = ChatPromptTemplate.from_template("Explain {what} in two sentences.") | model | StrOutputParser()
    for piece in chain.stream({"what": "a toll road"}):
        print(piece, end="", flush=True)
    print()

    ticket = model.with_structured_output(Ticket, method="json_schema").invoke("The barrier is shut and I am late!")
    print(ticket)

    answer = model.invoke("How long is the road?")
    headers, usage = answer.response_metadata["headers"], answer.response_metadata["token_usage"]
    print(f"{usage['total_tokens']} tokens, ${headers['x-tollway-cost-usd']}")
    print(f"answered by {headers['x-tollway-provider']} after {headers['x-tollway-attempts']} tries")


if __name__ == "__main__":
    main()
