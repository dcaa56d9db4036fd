"""The generator as it is used: its own processes, stages, and the command line."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from chaos.load import Load, Ramp, Settings, Stage, Variety, ramp, read_ledgers, run
from chaos.load.__main__ import main
from statnive.errors import Fatal, Rejected

ROOT = Path(__file__).parents[2]
SMALL = Variety(addresses=200, user_agents=20, urls=50, sites=5)


class Handler(BaseHTTPRequestHandler):
    """202 to the first `budget` requests, 429 to the others."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes]
    budget: float

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.bodies.append(body)
        self.send_response_only(202 if len(self.bodies) <= self.budget else 429)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[type[Handler]]:
    """A server in threads of its own; `.url` is where it listens."""
    handler = type("Own", (Handler,), {"bodies": [], "budget": float("inf")})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        handler.url = f"http://127.0.0.1:{http.server_port}/api/event"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield handler
        http.shutdown()
        thread.join()


def settings(server: type[Handler], **changed: object) -> Settings:
    return Settings(**{"target": server.url, "run": "r1", "connections": 4, "variety": SMALL, **changed})


def test_two_processes_and_two_stages_share_one_row_of_sequence_numbers(server, tmp_path):
    result = run(settings(server, processes=2), [Stage(200, 0.3), Stage(100, 0.2)], tmp_path, first_seq=500)
    seqs = sorted(int(json.loads(body)["p"]["seq"]) for body in server.bodies)
    assert seqs == list(range(500, 580))
    assert [summary.by_status for summary in result.stages] == [{202: 60}, {202: 20}]
    ledgers = list(read_ledgers(tmp_path))
    assert len(ledgers) == len(result.ledgers) == 4
    ranges = sorted((ledger.first_seq, ledger.end_seq) for ledger in ledgers)
    assert ranges == [(500, 530), (530, 560), (560, 570), (570, 580)]
    json.dumps(result.to_json())


def test_stop_ends_a_stage_early_and_its_ledger_is_whole(server, tmp_path):
    with Load(settings(server), tmp_path) as load:
        load.begin(Stage(100, 30))
        while len(server.bodies) < 10:
            os.sched_yield()
        load.stop()
        summary = load.finish()
    assert 10 <= summary.due < 1_000
    assert summary.by_status == {202: summary.due}
    (ledger,) = read_ledgers(tmp_path)
    assert len(ledger) == summary.due


def test_a_stop_ends_one_stage_and_not_the_next(server, tmp_path):
    with Load(settings(server, processes=2), tmp_path) as load:
        load.begin(Stage(100, 30))
        while len(server.bodies) < 10:
            os.sched_yield()
        load.stop()
        load.finish()
        load.begin(Stage(200, 0.2))
        assert load.finish().by_status == {202: 40}


def test_a_ramp_ends_where_the_server_begins_to_refuse(server, tmp_path):
    server.budget = 60
    plan = Ramp(start_rate=100, stage_seconds=0.2, factor=2, failures_allowed=0, p99_ms_max=60_000)
    summaries = list(ramp(settings(server), plan, tmp_path))
    assert [plan.sustained(summary) for summary in summaries] == [True, True, False]


def test_a_process_that_dies_ends_the_load(server, tmp_path):
    with pytest.raises(Fatal, match="died"), Load(settings(server), tmp_path) as load:
        load.begin(Stage(100, 30))
        load._workers[0].kill()
        load.finish()


def test_more_connections_than_descriptors_are_refused(tmp_path):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = Settings(
        target="http://127.0.0.1:9/", run="r1", connections=16_384 * 16, processes=1, variety=SMALL
    )
    if hard > many.connections:
        pytest.skip("this machine allows that many")
    with pytest.raises(Rejected, match="descriptors"):
        Load(many, tmp_path)


def test_a_target_without_a_server_is_refused_at_once(tmp_path):
    with (
        pytest.raises(Rejected, match="no connection"),
        Load(
            Settings(target="http://127.0.0.1:9/", run="r1", connections=1, variety=SMALL),
            tmp_path,
            connect_s_max=0.1,
        ),
    ):
        pass


def test_the_command_writes_table_and_json(server, tmp_path):
    arguments = [
        "--target",
        server.url,
        "--rate",
        "100",
        "--seconds",
        "0.2",
        "--connections",
        "2",
        "--clients",
        "100",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "chaos.load", *arguments, "--json", "-", "--ledger", str(tmp_path / "ledger")],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (stage,) = json.loads(done.stdout)["stages"]
    assert stage["by_status"] == {"202": 20}
    assert "p99.9 ms" in done.stderr
    assert len(list((tmp_path / "ledger").glob("*.ledger"))) == 1


def test_the_command_refuses_a_target_elsewhere_with_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "chaos.load", "--target", "http://192.0.2.1/api/event"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("chaos.load: target: 192.0.2.1 is neither loopback nor")
    assert done.stderr.count("\n") == 1


def test_help_has_examples_and_the_sites_can_be_printed():
    assert "python -m chaos.load --ramp" in CliRunner().invoke(main, ["--help"]).output
    sites = CliRunner().invoke(main, ["--print-sites"]).output.split()
    assert (len(sites), sites[0], sites[-1]) == (50, "site-00.example", "site-49.example")
