"""File → variables and flags → references → Structs → checks. One call, one answer: a Loaded, or a ConfigError with everything wrong."""

import hashlib
import importlib
import importlib.util
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from . import wellknown
from .checks import Checks, is_loopback, literal_secrets
from .decode import Decoder, struct_info
from .document import MAX_FILE, Node, parse
from .overrides import apply_environment, apply_flags
from .problems import ConfigError, Problem, dotted
from .schema import Config
from .secrets import Hidden, References, Secret
from .sources import content
from .traffic import Provider

SEARCH = ("tollway.yaml", "tollway.yml", "tollway.toml", "tollway.json")
"""Looked for in the working folder, in this order, when neither a flag nor TOLLWAY_CONFIG names a file."""

KEYLESS = frozenset({"azure", "bedrock", "llamacpp", "lmstudio", "local", "ollama", "sglang", "vertex", "vllm"})
"""Kinds of provider that can do without a key of their own: local servers, and clouds with credentials of another kind."""

FILES = frozenset({"GOOGLE_APPLICATION_CREDENTIALS"})
"""Variables that name a file instead of holding a key: they tell that a provider is wanted, and its own module reads them."""

FOREIGN = frozenset({"model_list", "litellm_settings", "router_settings", "general_settings"})
"""Keys of LiteLLM's dialect, which is read as it is (docs/migrate-from-litellm.md)."""

QUICKSTART = """no configuration file and no provider key found. Do one of these:
  1. export OPENAI_API_KEY=…  and start again: OpenAI's models are served with no file at all
  2. write tollway.yaml:
       auth:      {mode: open}
       providers: {openai: {use: openai, api_key: "${OPENAI_API_KEY}"}}
       models:    {"*": {targets: [{provider: openai, model: "*"}]}}
  3. tollway serve --demo  to try it with a built-in upstream and no key"""


class Loaded(Struct, frozen=True, kw_only=True):
    """A usable configuration and where it came from.

    ``origins``: dotted path to ``FILE:LINE``, ``env NAME`` or ``flag NAME``; what is not in it has its default.
    ``sources``: every file to watch. ``contents``: dotted path to the hash of the file it names (certificates).
    ``digest`` changes when anything effective does, secrets and certificates included.
    """

    config: Config
    path: str | None
    origins: dict[str, str]
    sources: tuple[str, ...]
    contents: dict[str, str]
    warnings: tuple[str, ...]
    digest: str


def load(
    path: str | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, str] = {},
    *,
    known_providers: Collection[str] | None = None,
) -> Loaded:
    """The configuration of ``path``, or of the first file found, or of the well-known key variables.

    ``overrides``: dotted path to text, from flags. ``known_providers``: values that ``use`` may have. Raises ConfigError.
    """
    warnings: list[str] = []
    file = _find(path, environ, warnings)
    sources = [str(file)] if file is not None else []
    references = References(environ, Path())
    decoder = Decoder(references)
    places: Mapping[str, str] = {}
    try:
        root = read(file) if file is not None else _from_keys(environ)
        if file is not None and (foreign := _foreign(root, file)) is not None:
            root, places = foreign.tree()
            sources += foreign.files
            warnings += [str(finding) for finding in foreign.findings if finding.kind != "needless"]
        keyed = _names(root, "providers") if file is None else ()
        root = apply_environment(root, Config, environ, decoder.problems)
        root = apply_flags(root, Config, overrides, decoder.problems)
        if file is None:
            root = _complete(root, decoder.problems)
        config = decoder.struct(root, struct_info(Config), ())
    except ConfigError as error:
        raise ConfigError(_as_written(error.problems, places), sources) from None
    contents: dict[str, str] = {}
    if isinstance(config, Config):
        named = _names(root, "providers")
        config = _fill(config, environ, decoder, keyed=keyed)
        uses = _known() if known_providers is None else known_providers
        checks = Checks(config, decoder, named, uses, environ)
        checks.run()
        warnings += checks.warnings
        if file is not None:
            warnings += _exposed(config, decoder, file)
        sources += references.files + list(checks.files.values())
        contents = {at: _hash(name) for at, name in checks.files.items()}
    else:
        sources += references.files
    unique = tuple(dict.fromkeys(sources))
    if decoder.problems or not isinstance(config, Config):
        problems = _as_written(decoder.problems, places)
        raise ConfigError(sorted(problems, key=lambda problem: problem.line or 0), unique)
    return Loaded(
        config=config,
        path=str(file) if file is not None else None,
        origins=decoder.origins,
        sources=unique,
        contents=contents,
        warnings=tuple(warnings),
        digest=_digest(config, contents),
    )


def _find(path: str | None, environ: Mapping[str, str], warnings: list[str]) -> Path | None:
    named = path or environ.get("TOLLWAY_CONFIG")
    if named:
        return Path(named)
    present = [name for name in SEARCH if Path(name).is_file()]
    if len(present) > 1:
        warnings.append(f"{present[0]} is used; {', '.join(present[1:])} beside it is not read")
    return Path(present[0]) if present else None


class _Foreign(Protocol):
    """Another gateway's configuration as ours: ``proxy.migration`` makes it."""

    files: tuple[str, ...]
    findings: tuple["_Finding", ...]

    def tree(self) -> tuple[Node, dict[str, str]]:
        """Our tree with their lines, and each of our paths to theirs."""


class _Finding(Protocol):
    kind: str


def _foreign(root: Node, file: Path) -> _Foreign | None:
    """What ``model_list`` and the like mean; ``None`` for a file of ours. Imported when it is met, like the provider table."""
    if not isinstance(root.value, dict) or not FOREIGN & root.value.keys():
        return None
    package = f"{__name__.split('.')[0]}.migration"
    found: _Foreign = importlib.import_module(package).migrate(root, file=file, read=read)
    return found


def _as_written(problems: Collection[Problem], places: Mapping[str, str]) -> list[Problem]:
    """Problems named by what the file says, where it says it in other words."""
    if not places:
        return list(problems)
    found = []
    for problem in problems:
        path = problem.path
        while path and path not in places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        there = places.get(path)
        found.append(problem if there is None else msgspec.structs.replace(problem, path=there))
    return found


def read(file: Path) -> Node:
    """The file as a tree. Raises ConfigError."""
    name = str(file)
    problem: str
    try:
        if not file.is_file():
            problem = "is a folder or device" if file.exists() else "does not exist: check --config and TOLLWAY_CONFIG"
            raise ConfigError([Problem(message=problem, where=name)])
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigError([Problem(message=f"cannot be read: {said}", where=name)]) from None
    if len(data) > MAX_FILE:
        raise ConfigError(
            [Problem(message=f"is larger than {MAX_FILE // 1024} KiB: this is not a configuration", where=name)]
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(message="is not UTF-8 text", where=name, line=line)]) from None
    return parse(text, name=name, suffix=file.suffix.lower())


def _node(value: object, origin: str) -> Node:
    if isinstance(value, dict):
        return Node({name: _node(child, origin) for name, child in value.items()}, origin)
    if isinstance(value, list):
        return Node([_node(child, origin) for child in value], origin)
    assert isinstance(value, str)
    return Node(value, origin)


def _from_keys(environ: Mapping[str, str]) -> Node:
    """Providers for the key variables that are set; the key itself is filled in like everywhere else."""
    found: dict[str, Node] = {}
    for use in wellknown.KEYS:
        name = next((name for name in _variables(use) if environ.get(name)), None)
        if name is not None:
            found[use] = _node({"use": use}, f"env {name}")
    return Node({"providers": Node(dict(found), "default")} if found else {}, "default")


def _variables(use: str) -> tuple[str, ...]:
    """The variables that may hold the key of a provider kind, the usual one first."""
    found: str | tuple[str, ...] = wellknown.KEYS.get(use, ())
    return (found,) if isinstance(found, str) else found


def _complete(root: Node, problems: list[Problem]) -> Node:
    """Without a file: any model of a sole provider, the catalogued ones of several, and no keys needed on loopback."""
    names = list(_names(root, "providers"))
    if not names:
        if problems:
            return root
        raise ConfigError([Problem(message=QUICKSTART)])
    assert isinstance(root.value, dict)
    children = dict(root.value)
    if len(names) == 1 and not _names(root, "models"):
        children["models"] = _node({"*": {"targets": [{"provider": names[0], "model": "*"}]}}, "no file")
    auth, server = children.get("auth"), children.get("server")
    settled = auth is not None and isinstance(auth.value, dict) and "mode" in auth.value
    if not settled and "keys" not in children:
        host = server.value.get("host") if server is not None and isinstance(server.value, dict) else None
        if host is None or not isinstance(host.value, str) or is_loopback(host.value):
            extra = auth.value if auth is not None and isinstance(auth.value, dict) else {}
            children["auth"] = Node({**extra, "mode": Node("open", "no file")}, "no file")
        else:
            problems.append(
                Problem(
                    path="keys",
                    message="the gateway would listen beyond loopback without any key: set "
                    'TOLLWAY_KEYS=\'[{"name": "app", "key": "${APP_KEY}"}]\', write a configuration file with keys, or bind 127.0.0.1',
                )
            )
    return Node(children, root.origin)


def _names(root: Node, section: str) -> tuple[str, ...]:
    """Names given in a section, whether or not their values are valid."""
    node = root.value.get(section) if isinstance(root.value, dict) else None
    return tuple(node.value) if node is not None and isinstance(node.value, dict) else ()


def _fill(config: Config, environ: Mapping[str, str], decoder: Decoder, *, keyed: tuple[str, ...]) -> Config:
    """``none`` becomes no credential, a missing key its conventional variable, a missing pass-through the only candidate."""
    providers = dict(config.providers)
    for name, provider in providers.items():
        key = provider.api_key
        variables = tuple(name for name in _variables(provider.use) if name not in FILES)
        if provider.api_keys:
            continue
        if key is not None and key.reveal() == "none":
            key = None
        elif key is None and _takes_variable(provider, name, keyed) and variables and config.auth.mode != "forward":
            variable = next((variable for variable in variables if environ.get(variable)), None)
            if variable is not None:
                key = Secret(environ[variable])
                decoder.origins[dotted(("providers", name, "api_key"))] = f"env {variable}"
                decoder.expanded.add(("providers", name, "api_key"))
            elif provider.use not in KEYLESS:
                decoder.problem(
                    ("providers", name, "api_key"),
                    f'no key: export {variables[0]}, or write api_key: "${{VAR}}" or "file:/path" (or none to send no credential)',
                )
        providers[name] = msgspec.structs.replace(provider, api_key=key)
    passthrough = config.passthrough
    candidates = [name for name, provider in providers.items() if provider.use == "openai"]
    if passthrough.provider is None and len(candidates) == 1:
        passthrough = msgspec.structs.replace(passthrough, provider=candidates[0])
    return msgspec.structs.replace(config, providers=providers, passthrough=passthrough)


def _takes_variable(provider: Provider, name: str, keyed: tuple[str, ...]) -> bool:
    """Only at the provider's own address, or where its key variable made it: a key must not travel elsewhere by default."""
    return provider.base_url is None or name in keyed


def _exposed(config: Config, decoder: Decoder, file: Path) -> list[str]:
    try:
        mode = file.stat().st_mode
    except OSError:
        return []
    found = [
        dotted(at)
        for at in literal_secrets(config, decoder)
        if decoder.origins.get(dotted(at), "").startswith(str(file))
    ]
    if not found or not mode & 0o044:
        return []
    return [
        f"{found[0]}: a secret stands in {file.name}, which other users can read: chmod 600 it, or use ${{VAR}} or file:"
    ]


def _known() -> Collection[str]:
    """The provider table, when there is one: configuration imports nothing of ours at import time."""
    package = f"{__name__.split('.')[0]}.providers"
    if importlib.util.find_spec(package) is None:
        return ("openai",)
    table: Mapping[str, str] = getattr(importlib.import_module(package), "PROVIDERS", {"openai": ""})
    return tuple(table)


def _hash(name: str) -> str:
    found = content(name)
    return found.hex() if found is not None else ""


def _revealed(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    assert isinstance(value, Hidden)
    return str(value)


def _digest(config: Config, contents: Mapping[str, str]) -> str:
    text = msgspec.json.encode([config, contents], enc_hook=_revealed, order="sorted")
    return hashlib.sha256(text).hexdigest()[:16]
