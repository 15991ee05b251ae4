"""What the mock received, read from its journal."""

import json
from base64 import b64decode
from typing import Any

from tests.support.processes import Mock


def received(mock: Mock) -> dict[str, Any]:
    """The last request of the journal, its body decoded."""
    entry = mock.requests(1)[-1]
    return {**entry, "body": b64decode(entry["body_base64"]), "headers": {k.lower(): v for k, v in entry["headers"]}}


def sent(mock: Mock) -> Any:
    """The JSON body of the last request."""
    return json.loads(received(mock)["body"])
