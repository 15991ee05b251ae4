"""Deployments to providers: those with the same credentials at the same place share one, and each gets a name that reads."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from .deployments import Deployment, Made, Section
from .source import Leaf, Source

_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def plain(made: Made) -> object:
    """The values alone, to be compared."""
    if isinstance(made, Leaf):
        return made.value
    if isinstance(made, dict):
        return {name: plain(child) for name, child in made.items()}
    return [plain(child) for child in made]


class Accounts:
    """``providers``: the section as it grows, in the order of the file."""

    def __init__(self, source: Source, deployments: Sequence[Deployment]) -> None:
        self.providers: Section = {}
        self.names: dict[int, str] = {}
        """Position of a deployment to the name of its provider."""
        self._source = source
        self._wild: set[str] = set()
        # A wildcard is reached by its provider's name, so those choose first.
        order = sorted(range(len(deployments)), key=lambda index: not _wildcard(deployments[index]))
        for index in order:
            self.names[index] = self._name(deployments[index])
        first = {name: min(index for index in self.names if self.names[index] == name) for name in self.providers}
        self.providers = {name: self.providers[name] for name in sorted(self.providers, key=lambda name: first[name])}

    def _name(self, found: Deployment) -> str:
        account = found.account
        if _wildcard(found):
            return self._reserve(found, found.public.removesuffix("/*"))
        for name, known in self.providers.items():
            assert isinstance(known, dict)
            if self._same(known, account):
                self._join(known, account)
                return name
        name = next(name for name in _ideas(found) if name not in self.providers and name not in self._wild)
        self.providers[name] = account
        return name

    def _reserve(self, found: Deployment, name: str) -> str:
        """The provider of a wildcard; several deployments of one give it several keys."""
        name = _slug(name)
        self._wild.add(name)
        known = self.providers.get(name)
        if known is None:
            self.providers[name] = found.account
            return name
        assert isinstance(known, dict)
        first, second = (
            {k: v for k, v in each.items() if k not in ("api_key", "api_keys")} for each in (known, found.account)
        )
        key = found.account.get("api_key")
        if plain(first) != plain(second) or key is None:
            self._source.lose(
                found.path,
                f"{found.public} has another place already, and a wildcard leads to one.",
                "a provider of its own, reached as provider/model",
            )
            return name
        keys = known.setdefault("api_keys", [known.pop("api_key")] if "api_key" in known else [])
        assert isinstance(keys, list)
        if plain(key) not in [plain(each) for each in keys]:
            keys.append(key)
        if len(keys) == 1:
            known["api_key"] = keys[0]
            del known["api_keys"]
        return name

    @staticmethod
    def _same(one: Section, other: Section) -> bool:
        """Can they be one provider? Limits hold for each deployment, so those never are."""
        if "limits" in one or "limits" in other or "api_keys" in one:
            return False
        return plain(_without_models(one)) == plain(_without_models(other))

    @staticmethod
    def _join(known: Section, account: Section) -> None:
        """What is said of single models is added."""
        options = account.get("options")
        bases = options.get("base_models") if isinstance(options, dict) else None
        if isinstance(bases, dict):
            mine = known.setdefault("options", {})
            assert isinstance(mine, dict)
            there = mine.setdefault("base_models", {})
            assert isinstance(there, dict)
            for name, base in bases.items():
                there.setdefault(name, base)


def _without_models(account: Section) -> Section:
    options = account.get("options")
    if not isinstance(options, dict):
        return account
    rest = {name: value for name, value in options.items() if name != "base_models"}
    return {
        **{name: value for name, value in account.items() if name != "options"},
        **({"options": rest} if rest else {}),
    }


def _wildcard(found: Deployment) -> bool:
    """Is it a whole provider under its name (``openai/*``)?"""
    return found.public.endswith("/*") and found.public.count("*") == 1 and found.model.value == "*"


def _ideas(found: Deployment) -> Iterator[str]:
    """Names from the plainest to one that is surely free."""
    prefix = _slug(found.prefix)
    yield prefix
    base = found.account.get("base_url")
    if isinstance(base, Leaf) and not str(base.value).startswith("${"):
        try:
            host = urlsplit(str(base.value)).hostname or ""
        except ValueError:
            host = ""
        if host and not host.replace(".", "").isdigit():
            yield _slug(f"{prefix}-{host.partition('.')[0]}")
    options = found.account.get("options")
    region = options.get("region") if isinstance(options, dict) else None
    if isinstance(region, Leaf) and not str(region.value).startswith("${"):
        yield _slug(f"{prefix}-{region.value}")
    yield _slug(f"{prefix}-{found.public}")
    number = 2
    while True:
        yield f"{prefix}-{number}"
        number += 1


def _slug(text: str) -> str:
    """A provider's name is made of letters, digits, dots, dashes and underscores."""
    found = _ODD.sub("-", text).strip("-._")[:60]
    return found or "provider"
