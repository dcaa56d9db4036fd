"""A state file that went back in time, or away, as after a restore of a part of the data directory."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chaos.rig.watch import until
from tests.e2e.server import NOON_ZONE, Server, statnive

EVENTS = 6
IN_S = 60.0


def send(server: Server) -> None:
    for number in range(EVENTS):
        assert server.event(host="back.example", path=f"/{number}").status_code == 202


@pytest.mark.parametrize("is_older", [True, False], ids=["older", "gone"])
def test_a_checkpoint_that_went_back_doubles_nothing(tmp_path: Path, is_older: bool) -> None:
    data_dir = tmp_path / "data"
    state, older = data_dir / "wal" / "writer.state", tmp_path / "older"
    statnive("site", "add", "back.example", "--timezone", NOON_ZONE, data_dir=data_dir)
    with Server(data_dir) as server:
        send(server)
    shutil.copy(state, older)
    with Server(data_dir) as server:
        send(server)
    state.unlink()
    if is_older:
        shutil.copy(older, state)

    with Server(data_dir) as server:
        send(server)
        assert until(lambda: server.metrics()["writer_lag_rows"] == 0, IN_S, 0.1)
        counted = server.stats("overview", site="back.example", period="day")["metrics"]["pageviews"]
        assert counted == 3 * EVENTS
        assert any("ClickHouse holds rows up to LSN 12" in line for line in server.output)
    verified = statnive("verify", data_dir=data_dir)
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.startswith(f"{3 * EVENTS} rows")
