"""``generationConfig``: limits, sampling, output form and thinking of one request."""

from ...errors import InvalidRequest
from ...translation.ask import Ask
from ...wire.values import Json, JsonObject, count, dumps_text, items, number, obj, text
from .family import Family
from .schema import SchemaReader
from .thinking import thinking_config

STOPS = 5
CANDIDATES = 8
TOP_LOGPROBS = 20
_SEEDS = 2**31
_USUAL = {"temperature": 1, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0}
_SAMPLING = (("temperature", "temperature"), ("top_p", "topP"), ("top_k", "topK"))
_PENALTIES = (("frequency_penalty", "frequencyPenalty"), ("presence_penalty", "presencePenalty"))


class Generation:
    """Reads a chat request. ``config`` is the result; ``instruction`` asks in words for what the model has no parameter for."""

    __slots__ = ("_ask", "_chat", "config", "instruction")

    def __init__(self, chat: JsonObject, ask: Ask, family: Family, *, functions: bool) -> None:
        self._ask = ask
        self._chat = chat
        self.config: JsonObject = {}
        self.instruction = ""
        cap = chat.get("max_completion_tokens")
        cap = cap if cap is not None else chat.get("max_tokens")
        if cap is not None:
            self.config["maxOutputTokens"] = cap
        self._numbers(_SAMPLING, taken=ask.behaviour.sampling != "no")
        self._numbers(_PENALTIES, taken=ask.behaviour.penalties and family.penalties)
        self._several()
        self._stop()
        self._seed()
        if chat.get("logprobs") is True:
            self._logprobs()
        thinking = thinking_config(chat, ask.behaviour, ask.notes)
        if thinking is not None:
            self.config["thinkingConfig"] = thinking
        self._modalities()
        form = obj(chat.get("response_format"))
        if form.get("type") in ("json_object", "json_schema"):
            self._format(form, family, functions=functions)

    def _numbers(self, fields: tuple[tuple[str, str], ...], *, taken: bool) -> None:
        for name, native in fields:
            value = self._chat.get(name)
            if value is None:
                continue
            if number(value) is None:
                raise InvalidRequest(f"{name} must be a number.", param=name)
            if taken:
                self.config[native] = value
            elif value != _USUAL.get(name):
                self._ask.notes.drop(name)

    def _several(self) -> None:
        several = count(self._chat.get("n"))
        if several is None or several == 1:
            return
        if not self._ask.behaviour.several:
            self._ask.notes.drop("n")
            return
        if several > CANDIDATES:
            self._ask.notes.rewrite("n")
        self.config["candidateCount"] = min(several, CANDIDATES)

    def _stop(self) -> None:
        given = self._chat.get("stop")
        if given is None:
            return
        stops: list[Json] = [
            stop for stop in ([given] if isinstance(given, str) else items(given)) if stop and isinstance(stop, str)
        ]
        if not stops:
            return
        if not self._ask.behaviour.stop:
            self._ask.notes.drop("stop")
            return
        if len(stops) > STOPS:
            self._ask.notes.rewrite("stop")
        self.config["stopSequences"] = stops[:STOPS]

    def _seed(self) -> None:
        seed = self._chat.get("seed")
        if not isinstance(seed, int) or isinstance(seed, bool):
            return
        if not -_SEEDS <= seed < _SEEDS:
            # Any seed will do as long as the same one stays the same.
            self._ask.notes.rewrite("seed")
            seed %= _SEEDS
        self.config["seed"] = seed

    def _logprobs(self) -> None:
        if not self._ask.behaviour.logprobs:
            self._ask.notes.drop("logprobs")
            return
        self.config["responseLogprobs"] = True
        top = count(self._chat.get("top_logprobs"))
        if top:
            self.config["logprobs"] = min(top, TOP_LOGPROBS)

    def _modalities(self) -> None:
        wanted = [text(item).upper() for item in items(self._chat.get("modalities"))]
        if wanted and wanted != ["TEXT"]:
            self.config["responseModalities"] = [*wanted]
        audio = obj(self._chat.get("audio"))
        if not audio:
            return
        voice = audio.get("voice")
        if isinstance(voice, str) and "AUDIO" in wanted:
            self.config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
        if audio.get("format") not in (None, "pcm16"):
            self._ask.notes.drop("audio.format")

    # ---- structured output ------------------------------------------------------------------------------------------

    def _format(self, form: JsonObject, family: Family, *, functions: bool) -> None:
        named = obj(form.get("json_schema"))
        schema = obj(named.get("schema"))
        behaviour = self._ask.behaviour
        if (functions and not family.mixes_tools) or not behaviour.json_mode or family.gemma:
            self._instruct(schema)
            return
        self.config["responseMimeType"] = "application/json"
        if not schema:
            return
        if not behaviour.json_schema:
            self._instruct(schema)
            return
        if text(named.get("description")) and "description" not in schema:
            schema = {**schema, "description": named["description"]}
        reader = SchemaReader()
        if family.json_schema:
            self.config["responseJsonSchema"] = reader.modern(schema)
        else:
            self.config["responseSchema"] = reader.classic(schema)
        if reader.lost:
            self._ask.notes.rewrite("response_format.json_schema.schema")

    def _instruct(self, schema: JsonObject) -> None:
        """Older models refuse a response schema beside functions: it is asked for in words."""
        self._ask.notes.rewrite("response_format")
        self.instruction = "Write the answer as one JSON value and nothing else, without a code fence."
        if schema:
            self.instruction += f" It must be valid against this JSON Schema: {dumps_text(schema)}"
