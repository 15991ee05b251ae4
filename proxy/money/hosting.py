"""Which providers send no bill: software that one runs oneself, and servers in one's own network."""

from ipaddress import ip_address
from urllib.parse import urlsplit

SELF_HOSTED = frozenset({"local", "ollama", "vllm", "lmstudio", "llamacpp", "sglang"})
"""Kinds of provider that are programs, not services."""

_PRIVATE_ENDS = (".localhost", ".local", ".internal", ".svc", ".lan")


def self_hosted(use: str, base_url: str | None) -> bool:
    """Does a provider of this kind at this address cost nothing, where no price is known? A name without a dot is a private one."""
    if use in SELF_HOSTED:
        return True
    if base_url is None:
        return False
    try:
        host = urlsplit(base_url).hostname
    except ValueError:
        return False
    if not host:
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.rstrip(".").endswith(_PRIVATE_ENDS)
    return address.is_loopback or address.is_private
