"""Names that the design keeps for later versions: refused like every unknown key, but called what they are."""

KEYS: dict[str, frozenset[str]] = {
    "Config": frozenset({"middleware"}),
    "Target": frozenset({"limits", "price"}),
    "Streaming": frozenset({"on_disconnect"}),
    "Telemetry": frozenset({"jsonl"}),
}
"""Struct name to the keys it will have."""
