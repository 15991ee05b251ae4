"""Cloudflare Workers AI: answers end after 256 tokens unless told otherwise, and may come in its native envelope."""

from ..wire.values import Json, JsonObject, dumps_text, obj, objects, text
from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import CAP, OPENAI_ONLY, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible


def native(document: JsonObject) -> JsonObject | None:
    """``{"result": {"response": …}, "success": true}`` as an answer, ``{"response": …}`` as a chunk."""
    result = document.get("result")
    if isinstance(result, dict) and document.get("success") is True:
        if "choices" in result:
            return result
        calls: list[Json] = [
            {"type": "function", "function": {"name": call.get("name"), "arguments": dumps_text(call.get("arguments"))}}
            for call in objects(result.get("tool_calls"))
        ]
        message: JsonObject = {"role": "assistant", "content": text(result.get("response"))}
        if calls:
            message["tool_calls"] = calls
        found: JsonObject = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        return {**found, "usage": result["usage"]} if obj(result.get("usage")) else found
    if isinstance(document.get("response"), str):
        choice: JsonObject = {"index": 0, "delta": {"content": document["response"]}, "finish_reason": None}
        beside: JsonObject = {"usage": document["usage"]} if obj(document.get("usage")) else {}
        return {"choices": [choice], **beside}
    return None


CLOUDFLARE = Compatible(
    name="cloudflare",
    base_url="https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1",
    keys=("CLOUDFLARE_API_KEY", "CLOUDFLARE_API_TOKEN"),
    settings={"account_id": ("CLOUDFLARE_ACCOUNT_ID",)},
    offers=frozenset(("embeddings", "responses")),
    params=ParamMap(
        rename=CAP, drop=OPENAI_ONLY, default={"max_tokens": 4096}, messages=(messages.SYSTEM, messages.plain())
    ),
    quirks=Quirks(think=True, native=native),
)

provider = provider_of(CLOUDFLARE)
