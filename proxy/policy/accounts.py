"""What the accounts with a provider are called, and how many there are: one for each of its keys."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Keyed(Protocol):
    """A configured provider, as far as it matters here."""

    @property
    def api_keys(self) -> Sequence[object]:
        """Several keys, or none of them."""


class Configured(Protocol):
    """A configuration, as far as it matters here."""

    @property
    def providers(self) -> Mapping[str, Keyed]:
        """By name."""


def account_name(provider: str, key: int) -> str:
    """What the account of a provider's key is called: the provider's name for the first, then ``name#2``, ``name#3`` …"""
    return provider if key == 0 else f"{provider}#{key + 1}"


def keys_of(config: Configured) -> dict[str, int]:
    """How many keys each provider has; one where it needs none."""
    return {name: max(1, len(provider.api_keys)) for name, provider in config.providers.items()}
