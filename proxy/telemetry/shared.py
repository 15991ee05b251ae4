"""The folder through which several workers share their counters. Must be set before prometheus_client is first imported."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def metrics_folder(*, wanted: bool) -> Iterator[None]:
    """A folder of our own for the length of one run, unless the operator has set one; gone at the end."""
    if not wanted or DIRECTORY in os.environ:
        yield
        return
    folder = tempfile.mkdtemp(prefix="tollway-metrics-")
    os.environ[DIRECTORY] = folder
    try:
        yield
    finally:
        del os.environ[DIRECTORY]
        shutil.rmtree(folder, ignore_errors=True)
