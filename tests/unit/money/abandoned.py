"""A journal as a killed process leaves it: the same files, and nobody who holds the lock."""

import os
from pathlib import Path

from proxy.money.journal import Journal


def abandon(journal: Journal) -> Path:
    """Ends its thread and frees its lock; writes nothing, removes nothing."""
    journal._closing = True
    journal._wake.set()
    journal._thread.join()
    os.close(journal._lock)
    return journal.folder
