"""The ClickHouse node, broken: killed, stopped, slowed, filled and faulty, as the product's client sees it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from chaos.clickhouse_node import ClickHouseNode, Fault
from chaos.proxy import Faults, ProxyProcess
from chaos.proxy import Path as Way
from chaos.service.control import ControlError
from chaos.service.process import ChildError
from statnive.clickhouse.client import Client, connect
from statnive.clickhouse.failures import Unavailable
from statnive.clickhouse.migrate import migrate
from statnive.clickhouse.rows import RowEncoder, suffix
from statnive.clickhouse.verify import count_block, drift, rollup_drift_rows
from statnive.config import ClickHouseConfig
from statnive.errors import ConfigError
from tests.clickhouse_fixture import SQL_DIR, a_row

RAW = "events_raw"
ROWS = 100
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with ClickHouseNode(tmp_path_factory.mktemp("node"), seed=1) as running:
        running.start()
        yield running


@pytest.fixture
def node(shared):
    yield shared
    shared.restore()


@pytest.fixture(scope="module")
def admin(shared):
    """A client of one migrated database for all tests; each has a log id of its own."""
    with closing(connect(ClickHouseConfig(url=shared.url), Path("/nonexistent"), purpose="admin")) as client:
        migrate(client, SQL_DIR)
        yield client


@attrs.frozen
class Product:
    """The product's clients for a migrated database, and one block to insert."""

    url: str
    admin: Client
    log_id: int = attrs.field(factory=lambda: next(numbers))
    clients: list = attrs.field(factory=list)

    def connect(self, purpose="writer", deadline_s=60.0):
        config = ClickHouseConfig(url=self.url, database=self.admin.database)
        self.clients.append(connect(config, Path("/nonexistent"), purpose=purpose, deadline_s=deadline_s))
        return self.clients[-1]

    def insert(self, client=None):
        """One block of ROWS rows, always the same, always under the same `token`."""
        encoder = RowEncoder()
        block = b"".join(
            encoder.encode(a_row(pathname=f"/{n % 9}", visitor=bytes([n]) * 16)) + suffix(self.log_id, n)
            for n in range(ROWS)
        )
        (client or self.connect()).insert_block(block, rows=ROWS, token=self.token)

    @property
    def token(self):
        return f"{self.log_id}:0-99"

    def rows(self):
        return sum(count_block(self.admin, self.log_id, 0, ROWS - 1).values())


@pytest.fixture
def product(node, admin):
    made = Product(node.url, admin)
    yield made
    for client in made.clients:
        client.close()


def in_background(function):
    """Run it in a thread; returns a function that joins it and gives back what was raised (None: nothing)."""
    raised = []

    def run():
        try:
            function()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def join():
        thread.join(120)
        assert not thread.is_alive()
        return raised[0] if raised else None

    return join


def wait_until(condition, seconds=60.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.005)


def test_a_kill_in_the_middle_of_an_insert_is_retryable_and_the_retry_counts_once(node, product):
    product.connect().operator_query("SELECT 1 AS one")
    node.set_faults([Fault(matching=f"INSERT INTO.*{RAW}", delay_after_ms=60_000)])
    join = in_background(product.insert)
    wait_until(lambda: any(token["executed"] for token in node.counters()["tokens"].values()))
    node.kill()
    error = join()
    assert isinstance(error, Unavailable)
    assert error.ambiguous, "the driver's second attempt, which was refused, hides that the first was sent"
    with pytest.raises(Unavailable) as caught:
        product.insert()
    assert not caught.value.ambiguous, "nothing was sent: nobody is there"
    url = node.url
    node.restore()
    assert node.url == url
    product.insert()
    assert product.rows() == ROWS
    assert rollup_drift_rows(product.admin) == 0
    assert node.faults() == []


def test_a_stopped_node_takes_connections_and_answers_nobody(node, product):
    writer = product.connect(deadline_s=3)
    writer.operator_query("SELECT 1 AS one")
    node.stop()
    with pytest.raises(Unavailable) as caught:
        product.insert(writer)
    assert caught.value.ambiguous
    node.resume()
    product.insert()
    assert product.rows() == ROWS


def test_a_stopped_node_goes_on_where_it_was(node, product):
    node.stop()
    join = in_background(product.insert)
    node.resume()
    assert join() is None
    assert product.rows() == ROWS


def test_a_slow_node_may_be_slow_before_it_executes(node, product):
    """After it: the test of the kill."""
    node.set_faults([Fault(matching=RAW, delay_before_ms=60_000, times=1)])
    writer = product.connect(deadline_s=3)
    with pytest.raises(Unavailable) as caught:
        product.insert(writer)
    assert caught.value.ambiguous
    assert product.rows() == 0


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_balancers_answer_is_retryable_and_nothing_is_in(node, product, status):
    node.set_faults([Fault(matching="INSERT INTO", status=status)])
    with pytest.raises(Unavailable, match=str(status)):
        product.insert()
    assert product.rows() == 0
    node.set_faults([Fault(matching="INSERT INTO", status=status, execute=True)])
    with pytest.raises(Unavailable, match=str(status)):
        product.insert()
    assert product.rows() == ROWS


def test_an_error_of_clickhouse_can_be_asked_for_by_its_code(node, product):
    for code, error in ((252, Unavailable), (243, Unavailable), (516, ConfigError)):
        node.set_faults([Fault(matching=RAW, code=code, times=1)])
        with pytest.raises(error, match=str(code)):
            product.insert()
    product.insert()
    assert product.rows() == ROWS


@pytest.mark.parametrize(("close", "executed"), [("before", 0), ("after", ROWS), ("middle", ROWS)])
def test_a_connection_that_is_closed_is_ambiguous_and_the_token_saves_the_rows(
    node, product, close, executed
):
    """Whether clickhouse-connect sends the insert a second time by itself or not."""
    writer = product.connect()
    writer.operator_query("SELECT 1 AS one")
    node.set_faults([Fault(matching=f"INSERT INTO.*{RAW}", close=close)])
    with pytest.raises(Unavailable) as caught:
        product.insert(writer)
    assert caught.value.ambiguous
    token = node.counters()["tokens"][product.token]
    assert token["executed"] == (token["attempts"] if executed else 0)
    assert product.rows() == executed
    node.set_faults([])
    product.insert()
    assert product.rows() == ROWS
    assert rollup_drift_rows(product.admin) == 0


def test_an_answer_can_stop_in_its_middle(node, product):
    node.set_faults([Fault(matching="numbers", close="middle", times=1)])
    with pytest.raises(Unavailable):
        product.admin.operator_query("SELECT number FROM numbers(1000)")


def test_a_trap_leaves_an_insert_half_done_and_a_retry_completes_it(node, product):
    node.trap(f"{product.admin.database}.{RAW}")
    with pytest.raises(Unavailable, match="395") as caught:
        product.insert()
    assert caught.value.ambiguous
    assert drift(product.admin), "nothing was half done"
    node.restore()
    product.insert()
    assert product.rows() == ROWS
    assert rollup_drift_rows(product.admin) == 0


def test_a_trap_on_a_table_that_is_not_there_is_refused(node, product):
    with pytest.raises(ControlError, match="nothing"):
        node.trap(f"{product.admin.database}.nothing")


def test_faults_hit_what_they_match_as_often_as_they_say(node, product):
    node.set_faults([Fault(matching="fetch_me", status=503, times=2), Fault(matching="/ping", status=500)])
    admin = product.admin
    for _ in range(2):
        with pytest.raises(Unavailable):
            admin.operator_query("SELECT 1 AS FETCH_ME")
    assert admin.operator_query("SELECT 1 AS fetch_me") == [{"fetch_me": 1}]
    assert not admin.ping()
    node.set_faults([])
    assert admin.ping()
    node.set_faults([Fault(matching="dice", status=500, share=0.5)])
    outcomes = set()
    for _ in range(30):
        try:
            outcomes.add(len(admin.operator_query("SELECT 1 AS dice")))
        except Unavailable:
            outcomes.add("failed")
    assert outcomes == {1, "failed"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"matchign": "x"}, "matchign"),
        ({"status": 200}, "400 to 599"),
        ({"code": 1}, "code must be one of"),
        ({"close": "never"}, "close"),
        ({"status": 500, "close": "after"}, "only one"),
        ({"matching": "("}, "unterminated"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(node, wrong, message):
    with pytest.raises(ControlError, match=message):
        node._call("PUT", "/faults", [wrong])
    assert node.faults() == []


def test_the_node_says_when_a_token_comes_with_other_rows(node, product):
    writer = product.connect()
    product.insert(writer)
    writer.insert_block(RowEncoder().encode(a_row()) + suffix(product.log_id, 1), rows=1, token=product.token)
    assert node.counters()["tokens"][product.token] == {
        "attempts": 2,
        "executed": 2,
        "failed": 0,
        "blocks": 2,
    }
    assert node.counters()["inserts_in_flight_max"] >= 1


def test_the_proxy_between_product_and_node_resets_an_answer_and_the_token_saves_the_rows(
    node, product, tmp_path
):
    with ProxyProcess(tmp_path, (node.host, node.port), seed=2) as proxy:
        proxy.start()
        through = attrs.evolve(product, url=f"http://127.0.0.1:{proxy.port}")
        writer = through.connect()
        writer.operator_query("SELECT 1 AS one")
        proxy.set(Faults(down=Way(reset=1.0)))
        with pytest.raises(Unavailable) as caught:
            through.insert(writer)
        assert caught.value.ambiguous
        proxy.set(Faults.both(latency_ms=20, jitter_ms=10, loss=0.02))
        through.insert(writer)
        assert proxy.counters()["resets"] >= 1
    assert product.rows() == ROWS
    assert rollup_drift_rows(product.admin) == 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 96 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_refuses_inserts_until_there_is_room_again(small_disk, tmp_path):
    with ClickHouseNode(small_disk, run_dir=tmp_path) as node:
        node.start()
        config = ClickHouseConfig(url=node.url)
        product = Product(node.url, connect(config, Path("/nonexistent"), purpose="admin"))
        migrate(product.admin, SQL_DIR)
        node.fill()
        node.fill()
        with pytest.raises(Unavailable) as caught:
            product.insert()
        assert caught.value.ambiguous
        node.restore()
        product.insert()
        assert product.rows() == ROWS
        assert rollup_drift_rows(product.admin) == 0
        assert node.terminate() == 0
        for client in (product.admin, *product.clients):
            client.close()


def test_a_disk_that_is_not_small_is_not_filled(node, monkeypatch):
    monkeypatch.setattr("chaos.clickhouse_node.node.BALLAST_BYTES_MAX", 1)
    with pytest.raises(ValueError, match="no small file system"):
        node.fill()
    assert not (node.home / "ballast").exists()


def test_a_directory_has_one_node_and_the_second_says_why(node, tmp_path):
    second = ClickHouseNode(node.home, run_dir=tmp_path)
    with pytest.raises(ChildError, match="another process has it"):
        second.start()


def test_the_command_says_one_line_when_it_is_ready(node):
    assert json.loads(json.dumps(node.child.ready)) == {
        "pid": node.pid,
        "port": node.port,
        "control_port": node.child.ready["control_port"],
    }
    assert node.child.log_end() == "(nothing was logged)"
