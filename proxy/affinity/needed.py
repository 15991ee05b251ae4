"""Is there more than one place that an object could have been made at? Else nothing needs to be remembered for affinity's sake."""

from ..policy.accounts import Configured, keys_of


def needed(config: Configured) -> bool:
    """Several providers, or a provider with several keys."""
    keys = keys_of(config)
    return len(keys) > 1 or any(count > 1 for count in keys.values())
