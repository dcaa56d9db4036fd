"""schemathesis, from PyPI, asks a running node what its own OpenAPI document allows and what it does not: no server
error, and every answer as documented.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import TIMEOUT_S, Server, environment, statnive

ROOT = Path(__file__).parents[2]
SCHEMATHESIS = ROOT / ".venv-clients" / "bin" / "schemathesis"
CONFIG = ROOT / "tests" / "clients" / "schemathesis.toml"
# Not those that judge whether a request should have been taken: that two parameters exclude each other is more than
# the document can say.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.slow
def test_the_api_is_as_its_document_says_whatever_schemathesis_asks(tmp_path: Path) -> None:
    statnive("site", "add", "fuzz.example", data_dir=tmp_path / "data")
    statnive("goal", "add", "fuzz.example", "--event", "Signup", data_dir=tmp_path / "data")
    with Server(tmp_path / "data") as server:
        for number in range(20):
            assert server.event(host="fuzz.example", path=f"/{number % 4}").status_code == 202
        assert server.event(host="fuzz.example", n="Signup", p={"plan": "pro"}).status_code == 202
        done = subprocess.run(
            [
                SCHEMATHESIS, f"--config-file={CONFIG}", "run", f"{server.url}/api/openapi.json",
                "--phases=coverage,fuzzing", "--max-examples=10", "--seed=1", "--continue-on-failure",
                "--generation-database=none", f"--checks={CHECKS}",
            ],
            capture_output=True, text=True, timeout=900, check=False, cwd=tmp_path,
            env=environment({"PYTHONPATH": "", "NO_COLOR": "1"}),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
        paths = httpx.get(f"{server.url}/api/openapi.json", timeout=TIMEOUT_S).json()["paths"]
        assert f"Tested: {len(paths)}" in done.stdout, done.stdout[-2_000:]
        audit = (tmp_path / "data" / "audit.log").read_text()
        assert '"bug"' not in audit
