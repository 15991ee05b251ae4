"""The page of providers keeps up with the registry: ids, base URLs, key variables, operations and options are the code's."""

import re
from importlib import import_module
from pathlib import Path

import msgspec
import orjson
import pytest

from proxy import accounts
from proxy.config.wellknown import KEYS
from proxy.context import Limits, Principal, RequestContext, Target
from proxy.errors import ClientError, EndpointUnsupported
from proxy.providers import PROVIDERS, compatible
from proxy.providers.account import Account
from proxy.providers.base import Settings
from proxy.providers.openai_dialect.spec import Compatible
from proxy.translation.failures import TYPES
from proxy.translation.finish import REASONS
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import REALTIME, SURFACE, Endpoint

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "providers.md").read_text(encoding="utf-8")
TRANSLATION = (DOCS / "translation.md").read_text(encoding="utf-8")

COMMON = {"repair", "think", "think_unopened"}
"""Options of every provider of OpenAI's dialect but the exact ones, in a table of their own."""

ENVIRON = {
    "CLOUDFLARE_ACCOUNT_ID": "account",
    "DATABRICKS_HOST": "workspace.example.com",
    "AZURE_OPENAI_ENDPOINT": "https://resource.example.com",
    "GOOGLE_CLOUD_PROJECT": "project",
    "AWS_REGION": "us-east-1",
}
MODELS = {
    "azure": ("gpt-4o", "claude-sonnet-5"),
    "bedrock": ("amazon.titan-embed-text-v2:0", "cohere.rerank-v3-5:0"),
    "vertex": ("gemini-3-flash", "claude-sonnet-5"),
}
"""Models to ask with where the operations depend on the model."""

OPERATIONS: dict[str, tuple[str, Endpoint]] = {
    **{endpoint.name: (path, endpoint) for method, path, endpoint in reversed(SURFACE) if method == "POST"},
    "realtime": ("/realtime", REALTIME),
}
BESIDE = sorted(OPERATIONS.keys() - {"chat", "tokens"})


def rows(begin: str) -> list[list[str]]:
    """The cells of the table whose head begins so."""
    table = PAGE[PAGE.index(begin) :].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


ROWS = {row[0].strip("` "): row for row in rows("| `use` | base URL ")}


def words(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def spec_of(use: str) -> Compatible | None:
    """The data of a provider of OpenAI's dialect."""
    module = import_module(PROVIDERS[use].partition(":")[0])
    found = [value for value in vars(module).values() if isinstance(value, Compatible)]
    found += getattr(module, "ROWS", {}).values()
    return next((spec for spec in found if spec.name == use), None)


def account(use: str) -> Account:
    module, _, attribute = PROVIDERS[use].partition(":")
    key = None if use == "vertex" else "key"
    made = getattr(import_module(module), attribute)(Settings(name=use, api_key=key, environ=ENVIRON))
    assert isinstance(made, Account)
    return made


def offers(use: str, name: str) -> bool:
    """Has the provider this operation itself, in its own or the client's dialect? Fronts do not count."""
    path, endpoint = OPERATIONS[name]
    return any(_reaches(account(use), model, path, endpoint) for model in MODELS.get(use, ("m",)))


def _reaches(provider: Account, model: str, path: str, endpoint: Endpoint) -> bool:
    if provider.passes(endpoint, model, path):
        return True
    if endpoint.name in ("messages", "count_tokens", "responses", "realtime"):
        return False
    body = orjson.dumps({"model": model})
    ctx = RequestContext(
        request_id="req",
        endpoint=endpoint,
        path=path,
        body=body,
        request=RequestView(model=model),
        principal=Principal(name="p", tenant="t"),
    )
    target = Target(provider=provider.name, model=model, limits=Limits(connect=1, first_byte=1, idle=1, total=1))
    try:
        provider.prepare(ctx, target, include_usage=False, now=0)
    except EndpointUnsupported:
        return False
    except ClientError:
        return True
    return True


def test_every_provider_has_a_row_and_no_other_has() -> None:
    assert list(ROWS) == list(PROVIDERS)


@pytest.mark.parametrize("use", PROVIDERS)
def test_key_variables(use: str) -> None:
    assert words(ROWS[use][2]) == KEYS.get(use, ())


@pytest.mark.parametrize("use", PROVIDERS)
def test_base_url(use: str) -> None:
    spec, shown = spec_of(use), ROWS[use][1]
    if use in ("azure", "local"):
        assert "http" not in shown
    elif use == "bedrock":
        assert words(shown) == (account(use)._base_url.replace("us-east-1", "{region}"),)
    else:
        assert words(shown) == (spec.base_url if spec is not None else account(use)._base_url,)


@pytest.mark.parametrize("use", PROVIDERS)
def test_operations(use: str) -> None:
    shown = ROWS[use][3]
    offered = {name for name in BESIDE if offers(use, name)}
    if shown == "everything but messages":
        assert offered == set(BESIDE) - {"messages", "count_tokens"}
    else:
        assert (set() if shown == "—" else set(shown.split(", "))) == offered


def options_of(use: str) -> set[str]:
    """The option names of a provider, from the Struct that reads them."""
    module = import_module(PROVIDERS[use].partition(":")[0])
    struct = getattr(module, "LocalOptions", None) or getattr(module, "Options", None)
    if struct is not None:
        return {field.name for field in msgspec.structs.fields(struct)}
    spec = spec_of(use)
    return set() if spec is None else {field.name for field in msgspec.structs.fields(compatible._options_type(spec))}


def test_options() -> None:
    shown: dict[str, set[str]] = {}
    for use, option, *_ in rows("| `use` | option "):
        shown.setdefault(use.strip("` "), set()).add(option.strip("` "))
    assert shown == {use: own for use in PROVIDERS if (own := options_of(use) - COMMON)}


def test_the_options_that_most_providers_share() -> None:
    assert {row[0].strip("` ") for row in rows("| option | default ")} == COMMON
    without = {use for use in PROVIDERS if spec_of(use) is not None and not options_of(use) >= COMMON}
    assert without == {"openai", "local"}


def test_variables_of_options_are_read_somewhere() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (DOCS.parent / "proxy/providers").rglob("*.py"))
    named = {name for row in rows("| `use` | option ") for name in words(row[2])}
    assert named
    assert {name for name in named if f'"{name}"' not in sources} == set()


def test_every_finish_reason_is_on_the_page_of_translation() -> None:
    table = TRANSLATION[TRANSLATION.index("## Finish reasons") : TRANSLATION.index("## Errors")]
    shown = {
        line.split(" | ")[0].strip("|` "): set(words(line.split(" | ")[3]))
        for line in table.splitlines()
        if line.count(" | ") == 3
    }
    for word, reason in REASONS.items():
        row = "an error" if reason == "error" else reason
        assert word in shown[row], (word, reason)


def test_every_status_of_provider_errors_is_on_the_page_of_translation() -> None:
    table = TRANSLATION[TRANSLATION.index("## Errors") :]
    for status, (kind, code) in TYPES.items():
        if status in (401, 403):
            continue
        lines = [line for line in table.splitlines() if re.match(rf"\|[^|]*\b{status}\b", line)]
        assert any(kind in line and (code is None or code in line) for line in lines), status


def snippets(page: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["providers.md", "native.md", "anthropic-clients.md"])
def test_the_configurations_of_the_pages_load(page: str, tmp_path: Path) -> None:
    environ = {**ENVIRON, **{name: "key-of-a-test" for names in KEYS.values() for name in names}}
    found = snippets(page)
    assert found
    for snippet in found:
        file = tmp_path / "tollway.yaml"
        file.write_text("auth: {mode: open}\n" + snippet, encoding="utf-8")
        assert accounts.load_checked(str(file), environ).config.providers


@pytest.mark.parametrize("page", ["native.md", "anthropic-clients.md", "translation.md"])
def test_the_programs_of_the_pages_compile(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    programs = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert programs
    for program in programs:
        compile(program, page, "exec")
