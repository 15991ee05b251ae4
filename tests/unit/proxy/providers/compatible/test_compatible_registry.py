"""The providers' data: addresses, endpoints, options, and the variables that hold their keys."""

import importlib

import pytest

from proxy.config.wellknown import KEYS
from proxy.context import Limits, RequestContext, Target
from proxy.providers import others
from proxy.providers.account import Account
from proxy.providers.base import OptionError, Settings
from proxy.providers.openai_dialect.spec import Compatible
from proxy.wire.chat import RequestView
from proxy.wire.endpoints import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, MODELS, RERANK, RESPONSES, Endpoint
from proxy.wire.values import Json

SINGLE = """openai mistral llama groq together fireworks deepseek xai perplexity openrouter cerebras sambanova nvidia deepinfra
huggingface cloudflare databricks moonshot zai dashscope minimax novita nebius hyperbolic siliconflow github baseten friendli
vercel ollama vllm lmstudio""".split()
ELSEWHERE = {"anthropic", "gemini", "vertex", "bedrock", "azure", "cohere"}
ENVIRON = {"CLOUDFLARE_ACCOUNT_ID": "acc", "DATABRICKS_HOST": "https://adb.example.net/"}


def module_of(name: str) -> str:
    return f"proxy.providers.{name if name in SINGLE else 'others'}"


def spec_of(name: str) -> Compatible:
    if name in others.ROWS:
        return others.ROWS[name]
    found = getattr(importlib.import_module(module_of(name)), name.upper())
    assert isinstance(found, Compatible)
    return found


def account(
    name: str, *, base_url: str | None = None, environ: dict[str, str] | None = None, **options: Json
) -> Account:
    module = importlib.import_module(module_of(name))
    factory = module.provider if name in SINGLE else getattr(module, name)
    made: Account = factory(
        Settings(
            name=name, base_url=base_url, api_key="k", options=options, environ=ENVIRON if environ is None else environ
        )
    )
    return made


def url(made: Account, endpoint: Endpoint, path: str) -> str:
    body = b'{"model":"m","messages":[]}'
    ctx = RequestContext(request_id="r", path=path, endpoint=endpoint, body=body, request=RequestView(model="m"))
    limits = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
    return made.prepare(ctx, Target(provider="p", model="m", limits=limits), include_usage=False, now=1).request.url


@pytest.mark.parametrize("name", [*SINGLE, *others.ROWS])
def test_every_provider_has_its_name_and_its_variables(name: str) -> None:
    spec = spec_of(name)
    assert spec.name == name
    assert KEYS[name] == spec.keys
    assert spec.keys
    made = account(name)
    assert made.passes(CHAT, "m", "/chat/completions")
    assert made.passes(MODELS, "m", "/models")
    assert url(made, CHAT, "/chat/completions").endswith("/chat/completions")


def test_no_variable_belongs_to_nobody() -> None:
    assert set(KEYS) == {*SINGLE, *others.ROWS, *ELSEWHERE}


def test_an_unknown_row_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        others.__getattr__("nobody")


@pytest.mark.parametrize(
    ("name", "endpoint", "path", "expected"),
    [
        ("deepseek", MESSAGES, "/messages", "https://api.deepseek.com/anthropic/v1/messages"),
        ("deepseek", COMPLETIONS, "/completions", "https://api.deepseek.com/beta/completions"),
        ("moonshot", MESSAGES, "/messages", "https://api.moonshot.ai/anthropic/v1/messages"),
        ("zai", MESSAGES, "/messages", "https://api.z.ai/api/anthropic/v1/messages"),
        ("minimax", MESSAGES, "/messages", "https://api.minimax.io/anthropic/v1/messages"),
        ("openrouter", MESSAGES, "/messages", "https://openrouter.ai/api/v1/messages"),
        ("deepinfra", MESSAGES, "/messages", "https://api.deepinfra.com/anthropic/v1/messages"),
        ("dashscope", MESSAGES, "/messages", "https://dashscope-intl.aliyuncs.com/apps/anthropic/v1/messages"),
        ("dashscope", RERANK, "/rerank", "https://dashscope-intl.aliyuncs.com/compatible-api/v1/reranks"),
        ("ollama", MESSAGES, "/messages", "http://localhost:11434/v1/messages"),
        ("perplexity", RESPONSES, "/responses", "https://api.perplexity.ai/v1/responses"),
        ("xai", RESPONSES, "/responses", "https://api.x.ai/v1/responses"),
        ("cloudflare", EMBEDDINGS, "/embeddings", "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1/embeddings"),
        ("databricks", CHAT, "/chat/completions", "https://adb.example.net/serving-endpoints/chat/completions"),
    ],
)
def test_where_operations_are(name: str, endpoint: Endpoint, path: str, expected: str) -> None:
    assert url(account(name), endpoint, path) == expected


def test_places_follow_the_operators_base_url() -> None:
    made = account("dashscope", base_url="http://127.0.0.1:9/compatible-mode/v1/")
    assert url(made, RERANK, "/rerank") == "http://127.0.0.1:9/compatible-api/v1/reranks"
    assert (
        url(account("groq", base_url="http://127.0.0.1:9"), CHAT, "/chat/completions")
        == "http://127.0.0.1:9/openai/v1/chat/completions"
    )
    assert (
        url(account("deepseek", base_url="http://127.0.0.1:9"), CHAT, "/chat/completions")
        == "http://127.0.0.1:9/chat/completions"
    )


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [("groq", EMBEDDINGS), ("cerebras", RESPONSES), ("mistral", MESSAGES), ("baseten", COMPLETIONS)],
)
def test_what_a_provider_lacks_is_absent(name: str, endpoint: Endpoint) -> None:
    assert not account(name).passes(endpoint, "m", f"/{endpoint.name}")


def test_a_missing_setting_names_itself() -> None:
    with pytest.raises(OptionError, match="CLOUDFLARE_ACCOUNT_ID"):
        account("cloudflare", environ={})
    made = account("cloudflare", environ={}, account_id="mine")
    assert "/accounts/mine/" in url(made, CHAT, "/chat/completions")
    assert url(account("cloudflare", environ={}, base_url="http://up.test/v1"), CHAT, "/chat/completions").startswith(
        "http://up.test/v1/"
    )


def translation(made: Account, body: bytes = b'{"model":"m","messages":[]}') -> object:
    ctx = RequestContext(request_id="r", path="/chat/completions", body=body, request=RequestView(model="m"))
    limits = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
    return made.prepare(ctx, Target(provider="p", model="m", limits=limits), include_usage=False, now=1).translation


ANSWER = b'{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"<think>a</think>b"},"finish_reason":"stop"}]}'


def test_repair_is_an_option() -> None:
    assert translation(account("together", repair=False)) is None
    assert translation(account("together")) is not None


@pytest.mark.parametrize(
    ("name", "options", "split"),
    [
        ("together", {}, True),
        ("together", {"think": "keep"}, False),
        ("groq", {}, False),
        ("groq", {"think": "split"}, True),
    ],
)
def test_think_is_an_option(name: str, options: dict[str, Json], split: bool) -> None:
    repair = translation(account(name, **options))
    out: bytes = repair.reply(200, ANSWER)  # type: ignore[attr-defined]
    assert (b'"reasoning_content":"a"' in out) == split


def test_models_that_leave_out_the_opening_tag_are_an_option() -> None:
    repair = translation(account("groq", think_unopened=["M*"]))
    out: bytes = repair.reply(200, ANSWER.replace(b"<think>", b""))  # type: ignore[attr-defined]
    assert b'"reasoning_content":"a"' in out


def test_headers_by_option() -> None:
    made = account("openrouter", referer="https://app.test", title="App")
    ctx = RequestContext(request_id="r", path="/chat/completions", body=b"{}", request=RequestView())
    limits = Limits(connect=1.0, first_byte=None, idle=1.0, total=1.0)
    headers = made.prepare(
        ctx, Target(provider="p", model="", limits=limits), include_usage=False, now=1
    ).request.headers
    assert headers == [("authorization", "Bearer k"), ("http-referer", "https://app.test"), ("x-title", "App")]
