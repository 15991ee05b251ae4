"""Asks for Bedrock, and AWS's own service model as the judge of what is sent."""

from functools import cache
from typing import Any

import orjson
from botocore.session import Session
from botocore.validate import ParamValidator

from proxy.catalogue.behaviour import Behaviour, behaviour_of
from proxy.providers.bedrock.chat import Converse
from proxy.translation.ask import Ask

CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


@cache
def _shape(operation: str) -> Any:
    return Session().get_service_model("bedrock-runtime").operation_model(operation).input_shape


def admitted(body: dict[str, Any], operation: str) -> None:
    """Fails unless AWS's service model admits ``body``."""
    report = ParamValidator().validate({"modelId": "m", **body}, _shape(operation))
    assert not report.has_errors(), report.generate_report()
    members = set(_shape(operation).members)
    assert set(body) <= members, set(body) - members


def send(
    chat: dict[str, Any], model: str = CLAUDE, behaviour: Behaviour | None = None, **about: Any
) -> tuple[dict[str, Any], Ask]:
    """The body that goes to Converse, judged, and the ask; ``chat`` gets a message when it has none."""
    ask = Ask(model=model, behaviour=behaviour if behaviour is not None else behaviour_of(model), **about)
    before = orjson.dumps(chat)
    encoded = Converse().encode({"messages": [{"role": "user", "content": "hi"}], **chat}, ask)
    assert orjson.dumps(chat) == before, "the request was changed in place"
    body = orjson.loads(encoded.body)
    admitted(body, "ConverseStream" if ask.stream else "Converse")
    return body, ask
