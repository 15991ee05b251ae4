"""LiteLLM's provider prefixes and what they are here: facts of its documentation, as data."""

from msgspec import Struct


class Vendor(Struct, frozen=True):
    """``use`` of the provider; ``variables`` where LiteLLM looks for its key; ``address``: base URL of its own, or one that must be given."""

    use: str
    variables: tuple[str, ...] = ()
    address: str | None = None
    addressed: bool = False


def _server(*variables: str) -> Vendor:
    """A server of OpenAI's dialect that is found by its address alone."""
    return Vendor("openai", variables, addressed=True)


VENDORS: dict[str, Vendor] = {
    "openai": Vendor("openai", ("OPENAI_API_KEY",)),
    "text-completion-openai": Vendor("openai", ("OPENAI_API_KEY",)),
    "azure": Vendor("azure", ("AZURE_API_KEY",), addressed=True),
    "azure_text": Vendor("azure", ("AZURE_API_KEY",), addressed=True),
    "azure_ai": Vendor("azure", ("AZURE_AI_API_KEY",), addressed=True),
    "anthropic": Vendor("anthropic", ("ANTHROPIC_API_KEY",)),
    "gemini": Vendor("gemini", ("GEMINI_API_KEY",)),
    "vertex_ai": Vendor("vertex"),
    "vertex_ai_beta": Vendor("vertex"),
    "bedrock": Vendor("bedrock"),
    "mistral": Vendor("mistral", ("MISTRAL_API_KEY",)),
    "cohere": Vendor("cohere", ("COHERE_API_KEY",)),
    "cohere_chat": Vendor("cohere", ("COHERE_API_KEY",)),
    "meta_llama": Vendor("llama", ("LLAMA_API_KEY",)),
    "groq": Vendor("groq", ("GROQ_API_KEY",)),
    "together_ai": Vendor("together", ("TOGETHERAI_API_KEY",)),
    "fireworks_ai": Vendor("fireworks", ("FIREWORKS_API_KEY",)),
    "deepseek": Vendor("deepseek", ("DEEPSEEK_API_KEY",)),
    "xai": Vendor("xai", ("XAI_API_KEY",)),
    "perplexity": Vendor("perplexity", ("PERPLEXITYAI_API_KEY",)),
    "openrouter": Vendor("openrouter", ("OPENROUTER_API_KEY",)),
    "cerebras": Vendor("cerebras", ("CEREBRAS_API_KEY",)),
    "sambanova": Vendor("sambanova", ("SAMBANOVA_API_KEY",)),
    "nvidia_nim": Vendor("nvidia", ("NVIDIA_NIM_API_KEY",)),
    "deepinfra": Vendor("deepinfra", ("DEEPINFRA_API_KEY",)),
    "huggingface": Vendor("huggingface", ("HUGGINGFACE_API_KEY",)),
    "cloudflare": Vendor("cloudflare", ("CLOUDFLARE_API_KEY",)),
    "databricks": Vendor("databricks", ("DATABRICKS_API_KEY",)),
    "moonshot": Vendor("moonshot", ("MOONSHOT_API_KEY",)),
    "zai": Vendor("zai", ("ZAI_API_KEY",)),
    "dashscope": Vendor("dashscope", ("DASHSCOPE_API_KEY",)),
    "minimax": Vendor("minimax", ("MINIMAX_API_KEY",)),
    "novita": Vendor("novita", ("NOVITA_API_KEY",)),
    "nebius": Vendor("nebius", ("NEBIUS_API_KEY",)),
    "hyperbolic": Vendor("hyperbolic", ("HYPERBOLIC_API_KEY",)),
    "github": Vendor("github", ("GITHUB_API_KEY",)),
    "baseten": Vendor("baseten", ("BASETEN_API_KEY",)),
    "friendliai": Vendor("friendli", ("FRIENDLI_TOKEN",)),
    "vercel_ai_gateway": Vendor("vercel", ("VERCEL_AI_GATEWAY_API_KEY",)),
    "ollama": Vendor("ollama"),
    "ollama_chat": Vendor("ollama"),
    "hosted_vllm": Vendor("vllm"),
    "lm_studio": Vendor("lmstudio"),
    "chutes": Vendor("chutes", ("CHUTES_API_KEY",)),
    "scaleway": Vendor("scaleway", ("SCW_SECRET_KEY",)),
    "ovhcloud": Vendor("ovhcloud", ("OVHCLOUD_API_KEY",)),
    "wandb": Vendor("wandb", ("WANDB_API_KEY",)),
    "inception": Vendor("inception", ("INCEPTION_API_KEY",)),
    "xiaomi_mimo": Vendor("xiaomi", ("XIAOMI_MIMO_API_KEY",)),
    "veniceai": Vendor("venice", ("VENICE_AI_API_KEY",)),
    "nscale": Vendor("nscale", ("NSCALE_API_KEY",)),
    "featherless_ai": Vendor("featherless", ("FEATHERLESS_AI_API_KEY",)),
    "lambda_ai": Vendor("lambda", ("LAMBDA_API_KEY",)),
    "parasail": Vendor("parasail", ("PARASAIL_API_KEY",)),
    "poe": Vendor("poe", ("POE_API_KEY",)),
    "morph": Vendor("morph", ("MORPH_API_KEY",)),
    "reka": Vendor("reka", ("REKA_API_KEY",)),
    "publicai": Vendor("openai", ("PUBLICAI_API_KEY",), "https://api.publicai.co/v1"),
    "synthetic": Vendor("openai", ("SYNTHETIC_API_KEY",), "https://api.synthetic.new/openai/v1"),
    "nano-gpt": Vendor("openai", ("NANOGPT_API_KEY",), "https://nano-gpt.com/api/v1"),
    "litellm_proxy": _server("LITELLM_PROXY_API_KEY"),
    "custom_openai": _server(),
    "openai_like": _server(),
    "aiohttp_openai": _server("OPENAI_API_KEY"),
    "docker_model_runner": _server(),
    "llamafile": _server(),
    "xinference": _server(),
    "lemonade": _server(),
}
"""Prefix to what it is here. What is not in it has no counterpart."""

_BEGINNINGS: tuple[tuple[str, str], ...] = (
    ("claude-", "anthropic"),
    ("gemini-", "vertex_ai"),
    ("command", "cohere_chat"),
    ("embed-", "cohere"),
    ("mistral-", "mistral"),
    ("deepseek-", "deepseek"),
    ("grok-", "xai"),
    *(
        (name, "openai")
        for name in ("gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-", "dall-e", "whisper-", "tts-", "omni-")
    ),
)


def vendor_of(model: str, given: str | None) -> tuple[str, str]:
    """(prefix, the model's name there) of ``litellm_params.model``; an empty prefix where nothing tells it.

    ``given``: ``custom_llm_provider``, which goes before the name.
    """
    prefix, slash, rest = model.partition("/")
    if given is not None:
        return given, rest if slash and prefix == given else model
    if slash:
        return prefix, rest
    for beginning, known in _BEGINNINGS:
        if model.startswith(beginning):
            return known, model
    return "", model
