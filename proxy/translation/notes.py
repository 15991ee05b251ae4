"""What a translation could not carry, and what it changed on the way: told to the client, logged, refused in strict mode."""


class Notes:
    """Names of request fields, each once, in the order they were met: ``temperature``, ``messages[].name``, ``tools[].strict``."""

    __slots__ = ("dropped", "rewritten")

    def __init__(self) -> None:
        self.dropped: list[str] = []
        self.rewritten: list[str] = []

    def drop(self, name: str) -> None:
        """``name`` was given, matters, and does not travel."""
        if name not in self.dropped:
            self.dropped.append(name)

    def rewrite(self, name: str) -> None:
        """``name`` travels with another meaning, value or place than a faithful translation has (a clamped number, a changed role).

        A change of spelling that keeps the meaning (``stop`` to ``stop_sequences``) is no rewriting.
        """
        if name not in self.rewritten:
            self.rewritten.append(name)
