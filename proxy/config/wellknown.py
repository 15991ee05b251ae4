"""Variables that provider SDKs read by convention, so that a key set for them works here with no file at all."""

KEYS: dict[str, str] = {"openai": "OPENAI_API_KEY"}
"""Value of ``use`` to the variable that holds its key."""
