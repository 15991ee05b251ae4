"""A chat request as a Messages request. What Claude has no word for is named in the notes; what would change the answer is refused."""

from hashlib import blake2b

from ...errors import InvalidRequest
from ...translation.ask import Ask, Encoded
from ...wire.values import Json, JsonObject, count, dumps, number, obj, text
from .host import Host
from .messages import Conversation
from .reasoning import Plan, plan
from .structured import form_of
from .tools import Tools
from .turns import compact, prefill

OLD_VERSION = "2023-06-01"
"""Takes temperature, top_p and top_k."""

NEW_VERSION = "2026-10-21"
"""Refuses them whatever their value."""

FILES_BETA = "files-api-2025-04-14"

DEFAULT_CAP = 8192
"""Output tokens when neither the client nor the catalogue says how many."""

PLAIN_CAP = 21_333
"""The default of an answer without a stream: what ten minutes are enough for, after which idle connections get cut."""

_ANSWER_ROOM = 8192
"""Output tokens left for the answer beside a budget of thinking, when the client set no cap."""

_USER_LIMIT = 256

_TRANSLATED = frozenset(
    """model messages max_completion_tokens max_tokens stream stream_options stop temperature top_p top_k tools tool_choice
    parallel_tool_calls functions function_call response_format reasoning_effort reasoning thinking user safety_identifier
    service_tier web_search_options""".split()
)

_DEFAULTS: dict[str, tuple[Json, ...]] = {
    "n": (1,),
    "store": (False,),
    "logprobs": (False,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "metadata": ({},),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
}
"""Values that ask for nothing; so does ``null``, everywhere."""


def encode(chat: JsonObject, ask: Ask, host: Host) -> Encoded:
    """Raises ``InvalidRequest`` for what cannot be asked of Claude at all: several choices, spoken answers, unreadable parts."""
    try:
        body, headers = _translate(chat, ask, host)
    except RecursionError as error:
        raise _too_deep() from error
    try:
        return Encoded(path=host.path(ask), body=dumps(body), headers=headers)
    except (RecursionError, TypeError) as error:
        raise _too_deep() from error


def _too_deep() -> InvalidRequest:
    """More levels than any encoder writes, and than any schema or argument needs."""
    return InvalidRequest("The request is nested too deeply; flatten its schemas and arguments.")


def _translate(chat: JsonObject, ask: Ask, host: Host) -> tuple[JsonObject, tuple[tuple[str, str], ...]]:
    _refuse(chat)
    tools = Tools(chat, ask, host)
    form = form_of(chat, tools, ask)
    talk = _conversation(chat, ask, host)
    tools.stand_in(talk.called)
    field, cap = _cap(chat)
    limit = _limit(ask)
    if cap is not None and limit is not None and cap > limit:
        ask.notes.rewrite(field)
        cap = limit
    thinking = plan(chat, ask, turns=talk.turns, cap=limit if cap is None else cap)
    choice = tools.choice(forced=ask.behaviour.forced_tools and not thinking.budget)
    prefill(talk.turns, allowed=ask.behaviour.prefill and not thinking.budget, ask=ask)
    for sentence in (form.sentence, tools.sentence):
        if sentence:
            talk.system.append({"type": "text", "text": sentence})
    body: JsonObject = {} if host.version_in_body else {"model": ask.model}
    if host.version_in_body:
        body["anthropic_version"] = host.version_in_body
    body["max_tokens"] = cap if cap is not None else _default_cap(thinking, limit, ask)
    if talk.system:
        body["system"] = compact(talk.system)
    body["messages"] = [turn.sent() for turn in talk.turns]
    if tools.listed:
        body["tools"] = [*tools.listed]
        if choice is not None:
            body["tool_choice"] = choice
    _think(body, thinking, form.format)
    version = _sample(chat, body, thinking, ask, host)
    _rest(chat, body, ask, host)
    if ask.stream:
        body["stream"] = True
    betas = _betas(ask, host, files=talk.parts.files)
    headers = [("anthropic-version", version)] if not host.version_in_body else []
    if betas and host.betas_in == "header":
        headers.append(("anthropic-beta", ",".join(betas)))
    elif betas and host.betas_in == "body":
        body["anthropic_beta"] = [*betas]
    return body, tuple(headers)


def _refuse(chat: JsonObject) -> None:
    several = chat.get("n")
    if several not in (None, 1):
        raise InvalidRequest(
            "Claude gives one answer to a request; set n to 1, or send the request n times.", param="n"
        )
    modalities = chat.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        raise InvalidRequest("Claude does not speak; ask for modalities ['text'].", param="modalities")


def _conversation(chat: JsonObject, ask: Ask, host: Host) -> Conversation:
    messages = chat.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("messages must be a list with at least one message.", param="messages")
    talk = Conversation(ask, host)
    for message in messages:
        talk.add(obj(message))
    talk.end()
    return talk


def _cap(chat: JsonObject) -> tuple[str, int | None]:
    """The client's limit of output tokens and the name it gave it."""
    for field in ("max_completion_tokens", "max_tokens"):
        given = chat.get(field)
        if given is not None:
            found = count(given)
            if not found:
                raise InvalidRequest(f"{field} must be a whole number of at least 1.", param=field)
            return field, found
    return "max_tokens", None


def _limit(ask: Ask) -> int | None:
    """The most that the model can answer, if known."""
    known = ask.info.max_output if ask.info is not None else None
    return known or ask.behaviour.max_output


def _default_cap(thinking: Plan, limit: int | None, ask: Ask) -> int:
    found = limit or DEFAULT_CAP
    if not ask.stream:
        found = min(found, PLAIN_CAP)
    if thinking.budget >= found:
        found = thinking.budget + _ANSWER_ROOM
        found = found if limit is None else min(found, limit)
    return found


def _think(body: JsonObject, thinking: Plan, form: JsonObject | None) -> None:
    if thinking.thinking is not None:
        body["thinking"] = thinking.thinking
    output: JsonObject = {}
    if thinking.effort:
        output["effort"] = thinking.effort
    if form is not None:
        output["format"] = form
    if output:
        body["output_config"] = output


def _sample(chat: JsonObject, body: JsonObject, thinking: Plan, ask: Ask, host: Host) -> str:
    """Sampling, and the API version that takes it. Thinking fixes the temperature; of temperature and top_p one can be given."""
    taken = ask.behaviour.sampling == "yes" and host.version in ("", OLD_VERSION)
    notes = ask.notes
    temperature, top_p, top_k = number(chat.get("temperature")), number(chat.get("top_p")), count(chat.get("top_k"))
    if temperature == 1 and top_p not in (None, 1):
        temperature = None
    if temperature is not None:
        if not taken or thinking.on:
            if temperature != 1:
                notes.drop("temperature")
        else:
            body["temperature"] = min(max(temperature, 0), 1)
            if body["temperature"] != temperature:
                notes.rewrite("temperature")
    if top_p is not None and top_p != 1:
        if not taken or "temperature" in body or (thinking.on and not 0.95 <= top_p < 1):
            notes.drop("top_p")
        else:
            body["top_p"] = top_p
    if top_k is not None:
        if not taken or thinking.on:
            notes.drop("top_k")
        else:
            body["top_k"] = top_k
    sampled = "temperature" in body or "top_p" in body or "top_k" in body
    return host.version or (OLD_VERSION if sampled else NEW_VERSION)


def _rest(chat: JsonObject, body: JsonObject, ask: Ask, host: Host) -> None:
    """Stop sequences, the user's id, the service tier, Anthropic's own fields; and a note of all that is left."""
    _stop(chat.get("stop"), body, ask)
    _user(chat, body, ask)
    tier = chat.get("service_tier")
    if tier in ("auto", "default", "standard_only") and host.service_tier:
        body["service_tier"] = "auto" if tier == "auto" else "standard_only"
    elif tier not in (None, "auto", "default"):
        ask.notes.drop("service_tier")
    for field, value in chat.items():
        if field in _TRANSLATED or value is None:
            continue
        if field in host.extensions:
            body[field] = value
        elif field not in _DEFAULTS or value not in _DEFAULTS[field]:
            ask.notes.drop(field)


def _stop(stop: Json, body: JsonObject, ask: Ask) -> None:
    """Blank stop sequences are refused by Anthropic."""
    given: list[Json] = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    kept: list[Json] = [sequence for sequence in given if isinstance(sequence, str) and sequence.strip()]
    if len(kept) < len(given):
        ask.notes.drop("stop")
    if kept:
        body["stop_sequences"] = kept


def _user(chat: JsonObject, body: JsonObject, ask: Ask) -> None:
    for field in ("safety_identifier", "user"):
        ident = text(chat.get(field))
        if ident:
            if len(ident) > _USER_LIMIT:
                ask.notes.rewrite(field)
                ident = blake2b(ident.encode("utf-8", "replace"), digest_size=32).hexdigest()
            body["metadata"] = {"user_id": ident}
            return


def _betas(ask: Ask, host: Host, *, files: bool) -> list[str]:
    """Of the client, of the configuration, and what the request needs; each once."""
    given = ask.headers.get(b"anthropic-beta")
    if given is None and not host.betas and not files:
        return []
    wanted = [*(given or b"").decode("latin-1").split(","), *host.betas]
    if files:
        wanted.append(FILES_BETA)
    return [*dict.fromkeys(beta for name in wanted if (beta := name.strip()))]
