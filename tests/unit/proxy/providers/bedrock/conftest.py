"""The judged request as a fixture."""

from collections.abc import Callable
from typing import Any

import pytest
from bedrock_judge import send

from proxy.translation.ask import Ask


@pytest.fixture
def sent() -> Callable[..., tuple[dict[str, Any], Ask]]:
    """``sent(chat, model=…, **ask)``."""
    return send
