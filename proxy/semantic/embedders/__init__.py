"""Texts to vectors: MiniLM on this machine, or an embedding model of a provider, and what keeps either from being believed or awaited too far."""
