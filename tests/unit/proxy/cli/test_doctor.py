"""``tollway doctor``: every check finds what it is there for, and says what to do."""

import gzip
import json
import os
import resource
import socket
import ssl
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner

from proxy import server
from proxy.cli import doctor as module
from proxy.cli import main
from proxy.cli.doctor import FLOORS, Finding, clock, dependency, metrics_folder, open_files, port, reach, release, spool
from proxy.config import Config, Secret
from proxy.config.server import Server
from proxy.config.traffic import Provider
from proxy.semantic.embedders import local
from proxy.tokens import bpe

ROOT = Path(__file__).parents[4]
CONFIG = """
server: {{port: {port}}}
keys: [{{name: app, key: sk-tw-doctor-secret}}]
providers: {{local: {{use: openai, base_url: "http://127.0.0.1:{upstream}/v1", api_key: sk-provider-secret}}}}
models: {{"*": {{targets: [{{provider: local}}]}}}}
"""


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        yield bound.getsockname()[1]


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port: int = bound.getsockname()[1]
        return port


def config_file(folder: Path, *, port: int, upstream: int) -> Path:
    file = folder / "tollway.yaml"
    file.write_text(CONFIG.format(port=port, upstream=upstream))
    file.chmod(0o600)
    return file


def test_a_sound_installation_passes_every_check(tmp_path: Path, listener: int) -> None:
    file = config_file(tmp_path, port=free(), upstream=listener)
    result = CliRunner().invoke(main, ["doctor", "--config", str(file), "--network", "--output", "json"])
    report = json.loads(result.output)
    assert [check for check in report["checks"] if check["status"] == "failed"] == []
    assert result.exit_code == 0
    assert report["ok"] is True
    names = [check["check"] for check in report["checks"]]
    assert {"python", "packages", "granian", "vocabulary o200k_base", "configuration", "port", "clock"} <= set(names)
    assert names[-1] == "provider local"
    assert "TCP" in report["checks"][-1]["detail"]


def test_the_table_ends_with_a_verdict_and_holds_no_secret(tmp_path: Path, listener: int) -> None:
    file = config_file(tmp_path, port=listener, upstream=listener)
    result = CliRunner().invoke(main, ["doctor", "--config", str(file)])
    assert result.exit_code == 1
    assert f"Port {listener} on 127.0.0.1 is taken" in result.output
    assert result.output.splitlines()[-1].startswith("1 failed")
    assert "secret" not in result.output


def test_without_network_no_provider_is_called_and_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "reach", lambda *_: pytest.fail("a provider was called"))
    file = config_file(tmp_path, port=free(), upstream=1)
    result = CliRunner().invoke(main, ["doctor", "--config", str(file), "--output", "json"])
    assert json.loads(result.output)["checks"][-1] == {
        "check": "provider local",
        "status": "skipped",
        "detail": "not called; --network connects to it",
        "fix": None,
    }


def test_a_bad_configuration_fails_and_the_other_checks_still_run(tmp_path: Path) -> None:
    file = tmp_path / "tollway.yaml"
    file.write_text("sever: {}\n")
    result = CliRunner().invoke(main, ["doctor", "--config", str(file), "--output", "json"])
    checks = {check["check"]: check for check in json.loads(result.output)["checks"]}
    assert result.exit_code == 1
    assert checks["configuration"]["status"] == "failed"
    assert "server" in checks["configuration"]["detail"]
    assert checks["clock"]["status"] == "ok"


def test_package_collisions_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "packages_distributions", lambda: {"proxy": ["tollway", "proxy.py"]})
    found = module.packages()
    assert found.status == "failed"
    assert "proxy.py" in found.detail


def test_a_slow_build_of_python_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "build", lambda: "plain")
    found = module.python()
    assert found.status == "warning"
    assert "--enable-optimizations" in found.detail
    assert found.fix is not None
    monkeypatch.setattr(module, "build", lambda: "optimised")
    assert module.python().status == "ok"


def test_floors_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {}
    for line in project["dependencies"]:
        name, _, rest = line.partition(">=")
        declared[name] = rest.partition(",")[0].partition(";")[0].strip()
    assert {name: declared[name] for name in FLOORS} == FLOORS
    assert release(FLOORS["granian"]) == server.MINIMUM_GRANIAN


def test_old_and_missing_dependencies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "version", lambda _: "2.8.6")
    assert dependency("granian", "2.8.7") == Finding(
        check="granian", status="failed", detail="2.8.6 is older than 2.8.7", fix="install granian>=2.8.7"
    )
    monkeypatch.undo()
    assert dependency("a-package-nobody-has", "1").status == "failed"


@pytest.mark.parametrize(("text", "numbers"), [("3.14.5", (3, 14, 5)), ("3.15.0rc1", (3, 15, 0)), ("x", ())])
def test_release(text: str, numbers: tuple[int, ...]) -> None:
    assert release(text) == numbers


def test_a_damaged_vocabulary_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in bpe.VOCABULARIES:
        (tmp_path / f"{name}.tiktoken.gz").write_bytes(gzip.compress(b"aGk= 0\n"))
    monkeypatch.setattr(bpe, "SHIPPED", bpe.VocabularyStore(tmp_path))
    assert [finding.status for finding in module.vocabularies()] == ["failed", "failed"]


def test_the_semantic_caches_own_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    found = module.embedder()
    assert (found.status, found.fix) == ("ok", None)
    monkeypatch.setattr(local, "SHA256", "0" * 64)
    found = module.embedder()
    assert found.status == "failed"
    assert found.detail.endswith("is not the file this release was tested with")
    assert found.fix is not None
    assert found.fix.startswith("pip install")


def test_the_embedder_is_looked_at_where_it_is_used(tmp_path: Path, listener: int) -> None:
    file = config_file(tmp_path, port=free(), upstream=listener)
    checks = [finding.check for finding in module.examine(str(file), network=False)]
    assert "embedder" not in checks
    file.write_text(file.read_text() + "cache: {semantic: {enabled: true}}\n")
    checks = [finding.check for finding in module.examine(str(file), network=False)]
    assert "embedder" in checks


def test_a_low_file_limit_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 2000))
    assert open_files(500).status == "ok"
    found = open_files(501)
    assert found.status == "warning"
    assert "2002" in (found.fix or "")


def test_a_taken_port_fails_unless_a_gateway_answers(listener: int) -> None:
    assert port("port", "127.0.0.1", free()).status == "ok"
    assert port("port", "127.0.0.1", listener).status == "failed"


def test_a_running_gateway_is_recognised() -> None:
    def answer(bound: socket.socket) -> None:
        connection, _ = bound.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{"status":"live"}')

    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=answer, args=(bound,))
        thread.start()
        found = port("port", "127.0.0.1", bound.getsockname()[1])
        thread.join(5)
    assert found.status == "warning"


def test_the_clock() -> None:
    assert clock(lambda: 0.0).status == "failed"
    assert clock().status == "ok"


def test_the_metrics_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert metrics_folder(Config()).detail == "not needed"
    assert metrics_folder(Config(server=Server(workers=2))).status == "ok"
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "missing"))
    assert metrics_folder(Config()).status == "failed"
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert metrics_folder(Config()).status == "ok"
    (tmp_path / "counter_1.db").touch()
    assert metrics_folder(Config()).status == "warning"


def test_the_spool_folder(tmp_path: Path) -> None:
    assert spool(Config(server=Server(spool_dir=str(tmp_path)))).status == "ok"
    assert spool(Config(server=Server(spool_dir=str(tmp_path / "missing")))).status == "failed"
    assert spool(Config(server=Server(spool_dir=str(tmp_path), max_upload=2**60))).status == "warning"
    assert os.listdir(tmp_path) == []


def test_each_step_on_the_way_to_a_provider_fails_by_its_name(listener: int) -> None:
    def at(url: str, **more: object) -> Finding:
        return reach("x", Provider(use="openai", base_url=url, **more))  # type: ignore[arg-type]

    assert at(f"http://127.0.0.1:{listener}/v1").status == "ok"
    assert at("http://nowhere.invalid/v1").detail.startswith("DNS to nowhere.invalid:80 failed")
    assert at(f"http://127.0.0.1:{free()}/v1").detail.startswith("TCP to ")
    proxied = at("https://nowhere.invalid/v1", proxy=Secret(f"http://user:pass@127.0.0.1:{listener}"))
    assert proxied.status == "ok"
    assert "its proxy at 127.0.0.1" in proxied.detail
    assert "pass" not in proxied.detail


def test_tls_to_a_provider_is_verified_with_its_own_authority(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def answer(bound: socket.socket) -> None:
        for _ in range(2):
            connection, _peer = bound.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=answer, args=(bound,))
        thread.start()
        url = f"https://127.0.0.1:{bound.getsockname()[1]}/v1"
        trusted = reach("x", Provider(use="openai", base_url=url, ca_file=str(tmp_path / "ca.pem")))
        refused = reach("x", Provider(use="openai", base_url=url))
        thread.join(5)
    assert trusted.status == "ok"
    assert "TLS" in trusted.detail
    assert refused.status == "failed"
    assert refused.detail.startswith("TLS to ")
