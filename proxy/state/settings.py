"""Where the state store is and how long it may take, as the link needs to know it."""

from msgspec import Struct

TAG = "{tollway}"
"""Every key begins with it: one hash slot, so that one script may touch them all on a cluster."""


class LinkSettings(Struct, frozen=True, kw_only=True):
    """``url``: ``redis://``, ``rediss://`` or ``unix://``, with user, password and database in it.

    ``sentinels`` (``host:port``) are asked for the master of ``service``; with ``cluster`` the URL is any node of it.
    ``timeout``: seconds a call may take.
    """

    url: str
    sentinels: tuple[str, ...] = ()
    service: str = "mymaster"
    cluster: bool = False
    ca_file: str | None = None
    timeout: float = 0.05


class StoreDown(Exception):
    """The store did not answer, or cannot do its work. ``kind`` is a word for a metric: ``timeout``, ``lost``, ``busy`` …"""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
