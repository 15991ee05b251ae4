"""Which parameters a model does not take as they are, one function a rule. Rules read the request and write ``Edits`` and notes.

Sources: OpenAI's model pages and the errors its API answers with, November 2026.
"""

from ...errors import InvalidRequest
from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, count, dumps_text, items, obj, objects, text
from .edits import Edits

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Every reasoning effort, lowest first."""

JSON_OBJECT = "Answer with one JSON object and nothing else: no prose around it and no code fence."
JSON_SCHEMA = "Answer with one JSON value and nothing else, no prose around it and no code fence. It must be valid against this JSON Schema:\n"


def chat_edits(given: JsonObject, ask: Ask) -> Edits:
    """What a chat request has to change beside its messages. Raises ``InvalidRequest`` for what has no equivalent."""
    edits = Edits()
    _tools(given, ask, edits)
    _choices(given, ask)
    _cap(given, ask, edits)
    _effort(given, ask, edits)
    _sampling(given, ask, edits)
    _penalties(given, ask, edits)
    _extras(given, ask, edits)
    _stop(given, ask, edits)
    _format(given, ask, edits)
    _stream(given, ask, edits)
    return edits


def responses_edits(given: JsonObject, ask: Ask) -> Edits:
    """What a Responses request has to change."""
    edits, behaviour = Edits(), ask.behaviour
    reasoning = obj(given.get("reasoning"))
    effort = reasoning.get("effort")
    _limit("max_output_tokens", given, ask, edits)
    if not behaviour.efforts and any(value is not None for value in reasoning.values()):
        _remove("reasoning", given, ask, edits)
    elif isinstance(effort, str) and behaviour.efforts and effort != "max":
        near = _nearest(effort, behaviour.efforts)
        if near != effort:
            edits.values["reasoning"] = {**reasoning, "effort": near}
            ask.notes.rewrite("reasoning.effort")
    if not _samples(effort, ask):
        _remove("temperature", given, ask, edits, silent=(1,))
        _remove("top_p", given, ask, edits, silent=(1,))
        _remove("top_logprobs", given, ask, edits, silent=(0,))
    if not behaviour.parallel_tool_calls:
        _remove("parallel_tool_calls", given, ask, edits, silent=(True,))
    wording = obj(given.get("text"))
    if not behaviour.verbosity and wording.get("verbosity") is not None:
        if wording["verbosity"] != "medium":
            ask.notes.drop("text.verbosity")
        edits.values["text"] = {name: value for name, value in wording.items() if name != "verbosity"}
    return edits


def _remove(name: str, given: JsonObject, ask: Ask, edits: Edits, *, silent: tuple[Json, ...] = ()) -> None:
    """Takes a member out; told unless its value (one of ``silent``) is what holds without it."""
    value = given.get(name)
    if value is None:
        return
    edits.removed.add(name)
    if value not in silent:
        ask.notes.drop(name)


def _refuse(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="unsupported_parameter")


def _tools(given: JsonObject, ask: Ask, edits: Edits) -> None:
    if ask.behaviour.tools:
        if not ask.behaviour.parallel_tool_calls:
            _remove("parallel_tool_calls", given, ask, edits, silent=(True,))
        return
    for name in ("tools", "functions"):
        if items(given.get(name)):
            raise _refuse(
                f"The model `{ask.model[:200]}` takes no tools. Leave out '{name}', or send the request to a model that has "
                "them; GET /v1/models tells which do.",
                name,
            )
        _remove(name, given, ask, edits, silent=([],))
    _remove("tool_choice", given, ask, edits, silent=("none", "auto"))
    _remove("function_call", given, ask, edits, silent=("none", "auto"))
    _remove("parallel_tool_calls", given, ask, edits, silent=(True, False))


def _choices(given: JsonObject, ask: Ask) -> None:
    ask.choices = count(given.get("n")) or 1
    if ask.choices > 1 and not ask.behaviour.several:
        raise _refuse(
            f"The model `{ask.model[:200]}` gives one answer a request. Leave out 'n' and send {ask.choices} requests.",
            "n",
        )


def _cap(given: JsonObject, ask: Ask, edits: Edits) -> None:
    if ask.behaviour.completion_cap and given.get("max_tokens") is not None:
        if given.get("max_completion_tokens") is not None:
            edits.removed.add("max_tokens")
            ask.notes.drop("max_tokens")
        else:
            # A null beside it must not stay: the name may stand once only.
            edits.removed |= {"max_completion_tokens"} & given.keys()
            edits.names["max_tokens"] = "max_completion_tokens"
            ask.notes.rewrite("max_tokens")
    for name in ("max_tokens", "max_completion_tokens"):
        if name not in edits.removed:
            _limit(name, given, ask, edits)


def _limit(name: str, given: JsonObject, ask: Ask, edits: Edits) -> None:
    """A cap above what the model can write is refused upstream: it means the same as the largest."""
    most = (ask.info.max_output if ask.info is not None else None) or ask.behaviour.max_output
    asked = count(given.get(name))
    if most is not None and asked is not None and asked > most:
        edits.values[edits.names.get(name, name)] = most
        ask.notes.rewrite(name)


def _effort(given: JsonObject, ask: Ask, edits: Edits) -> None:
    behaviour, asked = ask.behaviour, given.get("reasoning_effort")
    if isinstance(asked, str):
        if not behaviour.efforts:
            _remove("reasoning_effort", given, ask, edits, silent=("none",))
            return
        near = _nearest(asked, behaviour.efforts)
        if near != asked:
            edits.values["reasoning_effort"] = near
            ask.notes.rewrite("reasoning_effort")
    reasons = (asked or behaviour.default_effort) != "none"
    if reasons and not behaviour.tools_while_reasoning and "none" in behaviour.efforts and _has_functions(given):
        edits.values["reasoning_effort"] = "none"
        ask.notes.rewrite("reasoning_effort")


def _has_functions(given: JsonObject) -> bool:
    return any(tool.get("type") == "function" for tool in objects(given.get("tools"))) or bool(given.get("functions"))


def _nearest(asked: str, taken: tuple[str, ...]) -> str:
    """The effort to ask for: the next higher one that is taken, else the highest; a word of no known rank stays."""
    if asked in taken or asked not in EFFORTS:
        return asked
    thinking = [effort for effort in taken if effort != "none"]
    rank = EFFORTS.index(asked)
    return next((effort for effort in thinking if EFFORTS.index(effort) >= rank), taken[-1])


def _samples(effort: Json, ask: Ask) -> bool:
    """Are temperature and top_p taken with this effort?"""
    match ask.behaviour.sampling:
        case "yes":
            return True
        case "effort_none":
            return (effort or ask.behaviour.default_effort) == "none"
        case "effort_none_explicit":
            return effort == "none"
        case "no":
            return False


def _sampling(given: JsonObject, ask: Ask, edits: Edits) -> None:
    samples = _samples(edits.values.get("reasoning_effort", given.get("reasoning_effort")), ask)
    if not samples:
        _remove("temperature", given, ask, edits, silent=(1,))
        _remove("top_p", given, ask, edits, silent=(1,))
    if not ask.behaviour.logprobs or (not samples and ask.behaviour.sampling != "no"):
        _remove("logprobs", given, ask, edits, silent=(False,))
        _remove("top_logprobs", given, ask, edits, silent=(0,))


def _penalties(given: JsonObject, ask: Ask, edits: Edits) -> None:
    if not ask.behaviour.penalties:
        _remove("presence_penalty", given, ask, edits, silent=(0,))
        _remove("frequency_penalty", given, ask, edits, silent=(0,))
    if not ask.behaviour.logit_bias:
        _remove("logit_bias", given, ask, edits, silent=({},))


def _extras(given: JsonObject, ask: Ask, edits: Edits) -> None:
    if not ask.behaviour.prediction:
        _remove("prediction", given, ask, edits)
    if not ask.behaviour.verbosity:
        _remove("verbosity", given, ask, edits, silent=("medium",))


def _stop(given: JsonObject, ask: Ask, edits: Edits) -> None:
    """Sequences that the model does not take are enforced on the answer."""
    asked = given.get("stop")
    if ask.behaviour.stop or asked is None:
        return
    edits.removed.add("stop")
    listed = [asked] if isinstance(asked, str) else items(asked)
    ask.stop = tuple(dict.fromkeys(found for item in listed if (found := text(item))))
    if ask.stop:
        ask.notes.rewrite("stop")


def _format(given: JsonObject, ask: Ask, edits: Edits) -> None:
    """JSON that no parameter can demand is asked for in words."""
    wanted = obj(given.get("response_format"))
    kind, behaviour = wanted.get("type"), ask.behaviour
    if kind == "json_schema" and not behaviour.json_schema:
        schema = obj(wanted.get("json_schema")).get("schema")
        edits.instruction = JSON_SCHEMA + dumps_text(schema) if isinstance(schema, dict) else JSON_OBJECT
    elif kind == "json_object" and not behaviour.json_mode:
        edits.instruction = JSON_OBJECT
    elif kind == "text" and not behaviour.json_mode:
        edits.removed.add("response_format")
        return
    else:
        return
    ask.notes.rewrite("response_format")
    if behaviour.json_mode:
        edits.values["response_format"] = {"type": "json_object"}
    else:
        edits.removed.add("response_format")


def _stream(given: JsonObject, ask: Ask, edits: Edits) -> None:
    """A model without streaming is asked for a whole answer, which then goes out as events."""
    if given.get("stream") is True and not ask.behaviour.streaming:
        edits.removed |= {"stream", "stream_options"} & given.keys()
        ask.whole = True
        ask.notes.rewrite("stream")
