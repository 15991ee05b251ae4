"""What a provider module is built from: its settings, its account, and the choice between passing through and translating."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from ..wire.values import Json

T = TypeVar("T", bound=Struct)


class OptionError(Exception):
    """A provider's setting is missing or wrong. ``key`` is its path below the provider: ``options.region``, ``base_url``."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key
        self.message = message


class AuthSpec(Struct, frozen=True, kw_only=True):
    """Credentials that must be fetched or computed: ``scheme`` names a row of ``proxy.upstream.auth.SCHEMES``.

    ``options`` are the scheme's own, plain text (region, project, tenant, file names); secrets are among them, so it is never shown.
    """

    scheme: str
    options: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"AuthSpec({self.scheme!r})"


class Settings(Struct, frozen=True, kw_only=True):
    """One entry of ``providers:`` as its factory gets it. ``headers`` in lower case; ``environ``: the process's variables."""

    name: str
    base_url: str | None = None
    api_key: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    forwards: bool = False
    """Does the client's own credential travel upstream (``auth: forward``)?"""
    options: Mapping[str, Json] = {}
    environ: Mapping[str, str] = {}

    def read(self, type: type[T]) -> T:
        """``options`` as the provider's own Struct (frozen, ``forbid_unknown_fields``). Raises ``OptionError``."""
        try:
            return msgspec.convert(dict(self.options), type)
        except msgspec.ValidationError as error:
            reason, _, where = str(error).partition(" - at `$.")
            raise OptionError("options" + (f".{where.rstrip('`')}" if where else ""), reason) from None

    def variable(self, *names: str) -> str | None:
        """The first of the environment variables that is set to something."""
        return next((value for name in names if (value := self.environ.get(name))), None)
