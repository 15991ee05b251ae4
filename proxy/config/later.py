"""Names that the design keeps for later versions: refused like every unknown key, but called what they are."""

KEYS: dict[str, frozenset[str]] = {
    "Config": frozenset({"admin", "limits", "retry", "cache", "storage", "state", "middleware", "accounts"}),
    "Server": frozenset({"admin_port", "admin_host"}),
    "Key": frozenset({"limits", "budget", "account", "expires"}),
    "Model": frozenset({"policy", "retry", "cache", "fallbacks", "limits"}),
    "Target": frozenset({"weight", "retry", "limits", "price"}),
    "Streaming": frozenset({"on_disconnect"}),
    "Telemetry": frozenset({"otlp", "jsonl"}),
}
"""Struct name to the keys it will have."""
