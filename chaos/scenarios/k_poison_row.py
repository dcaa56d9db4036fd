"""K: a poison row. One row of the log can't be read by ClickHouse; and ClickHouse claims it of rows that it can."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from chaos.clickhouse_node import Fault
from chaos.rig import surgery
from chaos.rig.clients import Group
from chaos.rig.watch import until
from chaos.scenarios.contract import Play, Scenario

POISON, CLAIM = "a row that ClickHouse can't read", "ClickHouse wrongly says that it can't read rows"
CANNOT_READ_ALL_DATA = 33
GOOD_ROWS = 4
CLAIMS = 2
AT_LAST_S = 60.0
SETTLE_S = 1.0  # a few blocks


class PoisonRow(Scenario):
    """Only the row that can't be read is set aside, in a file, and said to be; everything else goes in."""

    letter = "K"
    title = "poison row"
    fatal = True  # the node is stopped to get the row into its log

    def groups(self) -> dict[str, Group]:
        return {"visitors": Group(rate=150, timeout_s=2)}

    def faults(self) -> Sequence[str]:
        return (POISON, CLAIM)

    def prepare(self) -> None:
        super().prepare()
        self._kept_before = set(self._quarantine())
        self._quarantined: list[float] = []
        self._run = ""

    def apply(self, fault: str) -> None:
        assert self.rig.clickhouse is not None
        self._fault = fault
        if fault == CLAIM:
            self._hits_before = self.rig.clickhouse.counters()["faults"]
            self.rig.clickhouse.set_faults(
                [Fault(matching="INSERT INTO .*events_raw", code=CANNOT_READ_ALL_DATA, times=CLAIMS)]
            )
            return
        self.rig.stop_node()
        wal = self.rig.data_dir / "wal"
        self._run = f"crafted-{surgery.done_lsn(wal)}"
        rows = [surgery.make_row(self._run, number, poison=number == 1) for number in range(GOOD_ROWS + 1)]
        surgery.append(wal, surgery.as_config(self.rig.settings), rows)
        self.rig.start_node()

    def hold(self, seconds: float) -> None:
        until(self._bitten, AT_LAST_S, 0.1)
        time.sleep(SETTLE_S)
        until(self._caught_up, AT_LAST_S, 0.1)
        figures = self.rig.figures()
        self._quarantined.append(figures["writer_quarantined_rows_total"] if figures else -1.0)

    def restore(self) -> None:
        if self.rig.clickhouse is not None:
            self.rig.clickhouse.restore()
        self.rig.start_node()

    def judge(self, play: Play) -> Iterator[str]:
        kept = set(self._quarantine()) - self._kept_before
        if len(kept) != 1 or self._quarantined != [1.0, 1.0]:
            yield f"{len(kept)} rows are in quarantine files, {self._quarantined} in the metric; it was one"
        (crafted,) = self.rig.sql(
            f"SELECT count() AS there, uniqExact(lsn) AS lsns FROM {self.rig.database}.events_raw "
            "WHERE props['run'] = {run:String}",
            {"run": self._run},
        )
        if (crafted["there"], crafted["lsns"]) != (GOOD_ROWS, GOOD_ROWS):
            yield f"of the {GOOD_ROWS} good rows beside the poison row {crafted['there']} are there"
        said = "".join(self.rig.node.output) if self.rig.node else ""
        if "quarantined: row" not in said:
            yield "the node did not say that a row was set aside"

    def facts(self, play: Play) -> dict[str, str]:
        return {"rows set aside": ", ".join(sorted(set(self._quarantine()) - self._kept_before))}

    def _bitten(self) -> bool:
        """Whether ClickHouse has seen the row, or has made its claims."""
        if self._fault == CLAIM:
            assert self.rig.clickhouse is not None
            return bool(self.rig.clickhouse.counters()["faults"] >= self._hits_before + CLAIMS)
        figures = self.rig.figures()
        return figures is not None and figures["writer_quarantined_rows_total"] > 0

    def _caught_up(self) -> bool:
        figures = self.rig.figures()
        return (
            figures is not None
            # It may not have come to that block yet.
            and (self._fault == CLAIM or figures["writer_quarantined_rows_total"] > 0)
            and figures["writer_lag_rows"] < 2 * self.groups()["visitors"].rate
        )

    def _quarantine(self) -> list[str]:
        directory = self.rig.data_dir / "quarantine"
        return [path.name for path in directory.iterdir()] if directory.is_dir() else []
