"""Providers and servers of OpenAI's plain shape, one line each: models behind vLLM, SGLang or their like."""

from collections.abc import Callable

from .account import Account
from .base import Settings
from .compatible import provider_of
from .openai_dialect import messages
from .openai_dialect.params import CAP, ParamMap
from .openai_dialect.quirks import Quirks
from .openai_dialect.spec import Compatible

_PARAMS = ParamMap(rename=CAP, messages=(messages.SYSTEM,))
_QUIRKS = Quirks(mirror=True, think=True)


def _row(
    name: str, base_url: str, *keys: str, keyless: bool = False, offers: tuple[str, ...] = ("embeddings",)
) -> Compatible:
    return Compatible(
        name=name,
        base_url=base_url,
        keys=keys,
        keyless=keyless,
        offers=frozenset(("completions", *offers)),
        params=_PARAMS,
        quirks=_QUIRKS,
    )


ROWS = {
    row.name: row
    for row in (
        _row("chutes", "https://llm.chutes.ai/v1", "CHUTES_API_KEY"),
        _row("scaleway", "https://api.scaleway.ai/v1", "SCW_SECRET_KEY"),
        _row("ovhcloud", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", "OVHCLOUD_API_KEY"),
        _row("wandb", "https://api.inference.wandb.ai/v1", "WANDB_API_KEY"),
        _row("inception", "https://api.inceptionlabs.ai/v1", "INCEPTION_API_KEY"),
        _row("upstage", "https://api.upstage.ai/v1/solar", "UPSTAGE_API_KEY"),
        _row("stepfun", "https://api.stepfun.com/v1", "STEPFUN_API_KEY"),
        _row("xiaomi", "https://api.xiaomimimo.com/v1", "XIAOMI_API_KEY"),
        _row("venice", "https://api.venice.ai/api/v1", "VENICE_API_KEY"),
        _row("nscale", "https://inference.api.nscale.com/v1", "NSCALE_API_KEY"),
        _row("featherless", "https://api.featherless.ai/v1", "FEATHERLESS_API_KEY"),
        _row("lambda", "https://api.lambda.ai/v1", "LAMBDA_API_KEY"),
        _row("crusoe", "https://api.inference.crusoecloud.com/v1", "CRUSOE_API_KEY"),
        _row("parasail", "https://api.parasail.io/v1", "PARASAIL_API_KEY"),
        _row("gmi", "https://api.gmi-serving.com/v1", "GMI_API_KEY"),
        _row("poe", "https://api.poe.com/v1", "POE_API_KEY"),
        _row("morph", "https://api.morphllm.com/v1", "MORPH_API_KEY"),
        _row("vultr", "https://api.vultrinference.com/v1", "VULTR_API_KEY"),
        _row("reka", "https://api.reka.ai/v1", "REKA_API_KEY"),
        _row("llamacpp", "http://localhost:8080/v1", "LLAMACPP_API_KEY", keyless=True, offers=("embeddings", "rerank")),
        _row("sglang", "http://localhost:30000/v1", "SGLANG_API_KEY", keyless=True, offers=("embeddings", "rerank")),
    )
}
"""Provider id to its data."""


def __getattr__(name: str) -> Callable[[Settings], Account]:
    """The factory of the provider ``name``, for the registry."""
    if name not in ROWS:
        raise AttributeError(name)
    return provider_of(ROWS[name])
