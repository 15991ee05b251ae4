"""One request on its way through a translation: what both directions must know."""

from msgspec import Struct, field

from ..catalogue import ModelInfo
from ..catalogue.behaviour import Behaviour
from .names import Names
from .notes import Notes


class Ask(Struct, kw_only=True):
    """Made for one attempt. ``created`` is unix seconds; ``headers`` are the client's, names in lower case."""

    model: str
    """The upstream's name for the model."""
    public: str = ""
    """The name that the client asked for."""
    stream: bool = False
    include_usage: bool = False
    """Does the client want the usage chunk?"""
    created: int = 0
    request_id: str = ""
    """Names answers whose provider gives them no id."""
    info: ModelInfo | None = None
    behaviour: Behaviour = field(default_factory=Behaviour)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    names: Names = field(default_factory=Names)
    """Tool names that had to be spelt otherwise for this provider."""
    stop: tuple[str, ...] = ()
    """Stop sequences that the model does not take: enforced on its answer."""
    choices: int = 1
    """How many answers were asked for."""
    whole: bool = False
    """Was a stream asked for of a model that has none? It is asked for a whole answer, which is unfolded."""


class Encoded(Struct, frozen=True, kw_only=True):
    """A translated request. ``path`` is relative to the provider's base URL, encoded, with its query."""

    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    """Besides content type and credentials."""
