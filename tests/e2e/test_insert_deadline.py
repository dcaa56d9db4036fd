"""`writer.insert_deadline_s`: how long an answer to an insert is waited for."""

from __future__ import annotations

from pathlib import Path

from chaos.clickhouse_node import ClickHouseNode, Fault
from chaos.rig.watch import until
from tests.e2e.server import NOON_ZONE, Server, statnive

NEVER_MS = 3_600_000
WELL_BELOW_THE_DEFAULT_S = 150.0


def test_an_insert_without_an_answer_is_given_up_after_the_settings_time_and_its_block_goes_in(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "data"
    statnive("site", "add", "slow.example", "--timezone", NOON_ZONE, data_dir=data_dir)
    (tmp_path / "clickhouse").mkdir()
    with ClickHouseNode(tmp_path / "clickhouse") as clickhouse:
        clickhouse.start([Fault(matching="INSERT INTO .*events_raw", delay_before_ms=NEVER_MS, times=1)])
        settings = {
            "STATNIVE_CLICKHOUSE_URL": clickhouse.url,
            "STATNIVE_WRITER_INSERT_DEADLINE_S": "1.5",
        }
        with Server(data_dir, settings=settings) as server:

            def is_in() -> bool:
                figures = server.metrics()
                return figures["writer_blocks_settled_total"] == 1 and figures["writer_lag_rows"] == 0

            assert server.event(host="slow.example").status_code == 202
            assert until(is_in, WELL_BELOW_THE_DEFAULT_S, 0.1)
            assert clickhouse.counters()["faults"] == 1
