"""What is not about single models: who may call, waiting, retrying, resting, what is reported."""

from collections.abc import Iterator

from ..config.problems import Path
from .deployments import Made, Section
from .keeping import Keeping
from .source import Leaf, Source

PORT = 4000
"""Where LiteLLM listens, so that clients keep their address."""

_GENERAL: Path = ("general_settings",)
_ROUTER: Path = ("router_settings",)
_LITELLM: Path = ("litellm_settings",)
_PERIODS = {"1d": "day", "24h": "day", "7d": "week", "1w": "week", "30d": "month", "1mo": "month"}


class Settings:
    """Builds the sections besides providers and models. ``models``: public names that lead somewhere."""

    def __init__(self, source: Source, models: dict[str, Section]) -> None:
        self._source = source
        self._models = models
        self.made: Section = {}

    def build(self) -> Section:
        """The sections in the order in which they are written."""
        self._server()
        self._callers()
        self._limits()
        self._waiting()
        self._retrying()
        self._resting()
        Keeping(self._source, self._models, self.made).build()
        self._telemetry()
        return self.made

    def _top(self) -> Path:
        """Some key of the file, for what is said of it as a whole."""
        return (next(iter(self._source.names(())), ""),)

    # ---- callers ----------------------------------------------------------------------------------------------------

    def _server(self) -> None:
        source = self._source
        server: Section = {"port": source_leaf(source, self._top(), PORT, "LiteLLM's own")}
        for name, ours in (("max_request_size_mb", "max_body"), ("max_file_size_mb", "max_upload")):
            size = source.number((*_GENERAL, name))
            if size is not None and size > 0:
                server[ours] = source.leaf((*_GENERAL, name), int(size * 1024 * 1024))
        self.made["server"] = server

    def _callers(self) -> None:
        source, at = self._source, (*_GENERAL, "master_key")
        key = source.refer(at)
        if key is None:
            if not source.has((*_GENERAL, "database_url")):
                self.made["auth"] = {"mode": source_leaf(source, self._top(), "open", "no master_key: loopback only")}
                source.say(
                    "changed",
                    at,
                    "Without a master_key everybody may call, which is allowed on loopback only.",
                    'keys: [{name: app, key: "${APP_KEY}"}]',
                )
            return
        source.say(
            "changed",
            at,
            "It is a key of callers, so clients keep it; the admin API has a key of its own.",
            "export TOLLWAY_ADMIN_KEY to open /admin/v1",
        )
        caller: Section = {"name": Leaf("master", key.path, key.node), "key": key}
        budget = self._budget()
        if budget:
            caller["budget"] = budget
        self.made["admin"] = {"key": Leaf("${TOLLWAY_ADMIN_KEY:-}", key.path, key.node)}
        self.made["keys"] = [caller]

    def _budget(self) -> Section:
        """The budget of the whole proxy, on the one key that the file has."""
        source, at = self._source, (*_LITELLM, "max_budget")
        usd = source.number(at)
        if usd is None or usd <= 0:
            return {}
        budget: Section = {"usd": source.leaf(at, usd)}
        span = (*_LITELLM, "budget_duration")
        text = source.text(span)
        per = _period(text) if text is not None else "total"
        source.say("changed", at, "It binds the key of the file; keys of the database have budgets of their own.")
        if text is not None:
            budget["per"] = source.leaf(span, per or "month")
            if per is None:
                source.say("changed", span, "Budgets are of a calendar day, week or month, or in total.", "budget.per")
        else:
            budget["per"] = Leaf("total", at, budget["usd"].node) if isinstance(budget["usd"], Leaf) else budget["usd"]
        return budget

    def _limits(self) -> None:
        limits: Section = {}
        for name, ours in (("max_parallel_requests", "default"), ("global_max_parallel_requests", "gateway")):
            slots = self._source.refer((*_GENERAL, name))
            if slots is not None:
                limits[ours] = {"concurrency": slots}
        if limits:
            self.made["limits"] = limits

    # ---- failing ----------------------------------------------------------------------------------------------------

    def _waiting(self) -> None:
        source, timeouts = self._source, dict[str, Made]()
        at = source.first((*_ROUTER, "timeout"), (*_LITELLM, "request_timeout"), (*_GENERAL, "completion_timeout"))
        wait = source.refer(at) if at is not None else None
        if wait is not None:
            timeouts["first_byte"] = timeouts["idle"] = wait
        stream = source.refer((*_ROUTER, "stream_timeout"))
        if stream is not None:
            source.say(
                "changed",
                stream.path,
                "It is the longest silence inside an answer: streams and plain answers share the limit until the first byte.",
            )
            timeouts["idle"] = stream
        if timeouts:
            self.made["timeouts"] = timeouts

    def _retrying(self) -> None:
        source = self._source
        at = source.first((*_ROUTER, "num_retries"), (*_LITELLM, "num_retries"))
        tries = source.number(at) if at is not None else None
        if at is not None and tries is not None:
            self.made["retry"] = {"attempts": source.leaf(at, min(10, max(0, int(tries)) + 1), "the first included")}
            if tries > 9:
                source.say("changed", at, "A request is tried ten times at most.")

    def _resting(self) -> None:
        source, health = self._source, dict[str, Made]()
        off = source.node((*_ROUTER, "disable_cooldowns"))
        if off is not None and isinstance(off.value, bool):
            health["enabled"] = source.leaf((*_ROUTER, "disable_cooldowns"), not off.value)
        at = source.first((*_ROUTER, "allowed_fails"), (*_LITELLM, "allowed_fails"))
        fails = source.number(at) if at is not None else None
        if at is not None and fails is not None:
            health["consecutive"] = source.leaf(at, max(1, int(fails) + 1), "in a row")
            source.say(
                "changed", at, "LiteLLM counts faults of a minute; here they count in a row.", "health.error_rate"
            )
        at = source.first((*_ROUTER, "cooldown_time"), (*_LITELLM, "cooldown_time"))
        seconds = source.number(at) if at is not None else None
        if at is not None and seconds is not None:
            rest = min(3600.0, max(0.1, seconds))
            health["cooldown"] = source.leaf(at, rest, "doubled each time, up to longest")
            health["longest"] = source.leaf(at, max(300.0, rest))
            if rest != seconds:
                source.say("changed", at, "A target rests between 0.1 s and an hour.")
        if health:
            self.made["health"] = health

    # ---- what is reported -------------------------------------------------------------------------------------------

    def _telemetry(self) -> None:
        source, telemetry = self._source, dict[str, Made]()
        for path, name in list(self._callbacks()):
            if name == "prometheus":
                telemetry["prometheus"] = source.leaf(path, value=True)
            elif name in ("otel", "opentelemetry", "arize", "langfuse_otel", "arize_phoenix"):
                telemetry["otlp"] = source.leaf(path, "${OTEL_EXPORTER_OTLP_ENDPOINT:-}")
                source.say("changed", path, "Traces and metrics go out by OTLP over HTTP.", "telemetry.otlp")
        if telemetry:
            self.made["telemetry"] = telemetry

    def _callbacks(self) -> Iterator[tuple[Path, str]]:
        for option in ("callbacks", "success_callback", "failure_callback", "service_callback"):
            at = (*_LITELLM, option)
            if isinstance(text := self._source.text(at), str):
                yield at, text
            for path, item in self._source.items(at):
                if isinstance(item.value, str):
                    yield path, item.value


def source_leaf(source: Source, path: Path, value: str | int, note: str) -> Leaf:
    """A value that no key says; ``path`` is where the file begins, and is not taken by it."""
    return Leaf(value, path, source.node(path) or source.root, note)


def _period(text: str) -> str | None:
    """``30d`` and the like as a calendar period."""
    return _PERIODS.get(text.strip())
