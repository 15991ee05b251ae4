"""Credentials that must be fetched or computed: name of the scheme to the function that builds its authorizer."""

SCHEMES: dict[str, str] = {
    "sigv4": "proxy.upstream.auth.sigv4:scheme",
    "google": "proxy.upstream.auth.google:scheme",
    "entra": "proxy.upstream.auth.entra:scheme",
}
"""Each row is ``scheme(options: Mapping[str, str]) -> Authorizer``; only a configured one is imported."""
