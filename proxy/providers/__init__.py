"""Provider ids to the factories that build them; only configured ones are imported."""

PROVIDERS: dict[str, str] = {
    "openai": "proxy.providers.openai:provider",
}
