"""Every example of docs/admin-api.md, pasted into a shell against a real gateway with real files, in the order of the page."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.processes import Mock, config_for, running

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).parents[3] / "docs" / "admin-api.md"
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
KEPT = "API AUTH CODE VOUCHER MADE KEY_ID APP_KEY NEXT"
KEY = "an admin key for the page"
EVENTUALLY = 10.0
"""Seconds until a request that was just made is in the database, or another worker knows a key."""


def test_every_example_works_as_pasted(mock: Mock, tmp_path: Path) -> None:
    config = config_for(
        mock.url,
        storage={"type": "sqlite", "path": str(tmp_path / "tollway.db"), "journal": str(tmp_path / "journal")},
        admin={"key": KEY},
    )
    state = tmp_path / "state"
    state.touch()
    with running(config) as gateway:
        environ = {**os.environ, "TOLLWAY_ADMIN_KEY": KEY, "no_proxy": "*"}
        for block in BLOCKS:
            pasted = block.replace("http://127.0.0.1:8080", gateway.origin)
            lines = [
                "set -euo pipefail",
                'curl() { command curl --fail-with-body --max-time 10 "$@"; }',
                f"source {state}",
                pasted,
                f'for name in {KEPT}; do [ -z "${{!name+set}}" ] || declare -p $name; done > {state}',
            ]
            deadline = time.monotonic() + (EVENTUALLY if "/requests/" in block or "/v1/chat" in block else 0)
            while True:
                done = subprocess.run(
                    ["bash", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=30, env=environ
                )
                if done.returncode == 0:
                    break
                assert time.monotonic() < deadline, f"{block}\n{done.stdout}\n{done.stderr}\n{gateway.log()}"
                time.sleep(0.05)
            assert not done.stdout.startswith('{"error"')
    assert len(BLOCKS) > 25
