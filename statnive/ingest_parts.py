"""What turns requests into rows, built from the settings: look-ups, open visits, the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from statnive.actors import file_watch, limiter, salts
from statnive.clickhouse.rows import RowEncoder, decode_row, row_head
from statnive.config import Config
from statnive.control.snapshot import SnapshotHolder
from statnive.geo_files import carrier_file, country_file
from statnive.ingest.client_address import ClientAddress
from statnive.ingest.drops import Drops
from statnive.ingest.geo import Geo
from statnive.ingest.local_time import LocalTimes
from statnive.ingest.pipeline import Pipeline, Tools
from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.user_agent import AgentParser
from statnive.ingest.visits import VisitTable
from statnive.wal.log import Log


class IngestParts:
    """The tools of a node's pipeline, and the pipeline."""

    def __init__(
        self,
        config: Config,
        *,
        sites: SnapshotHolder,
        limits: limiter.LimiterHandle,
        salt: salts.SaltsHandle,
        drops: Drops,
        clock: Callable[[], float],
        report: Callable[..., None],
    ) -> None:
        """Read the tables and the address databases. Raises BrokenInput."""
        ingest = config.ingest
        self._clock, self._report, self._inactivity_s = clock, report, ingest.visit_inactivity_s
        self.agents = AgentParser(ingest.cache_entries)
        table = Path(ingest.source_table) if ingest.source_table else None
        self.sources = SourceClassifier(table, ingest.cache_entries)
        self.geo_files = country, carriers = country_file(config.geo), carrier_file(config.geo)
        geo = Geo(country.path, carriers.path)
        self.geo_watch = file_watch.FileWatchHandle(geo, report, name="geo", what="the address databases")
        self.visits = VisitTable(ingest.visit_inactivity_s, ingest.visits_max)
        self.tools = Tools(
            clock=clock,
            sites=sites,
            limiter=limits,
            salts=salt,
            geo=geo,
            agent=self.agents,
            sources=self.sources,
            visits=self.visits,
            drops=drops,
            encode=RowEncoder().encode,
            times=LocalTimes(),
        )
        self.pipeline = Pipeline(ingest, self.tools, ClientAddress(config.server.trusted_proxies))

    def rebuild_visits(self, log: Log, monotonic: Callable[[], float]) -> None:
        """Go on with the visits that were open when the last run ended, from the log; before any event is taken."""
        now_s, started = int(self._clock()), monotonic()
        rows: Any = (
            row
            for frame in log.frames_since((now_s - self._inactivity_s) * 1_000_000)
            for row in frame.rows()
        )
        found = self.visits.rebuild(rows, now_s, row_head, decode_row)
        if found:
            took_s = monotonic() - started
            self._report("visits", f"{found} open visits go on (found in the log in {took_s:.1f} s)")

    def stats(self) -> dict[str, float]:
        """Figures of the caches, the visits and what was left out, by metric name."""
        parser = self.pipeline.parser
        stats: dict[str, float] = {
            f"left_out_{what}_total": parser.left_out[what] for what in ("revenue", "property")
        }
        stats["visits_open"] = len(self.visits)
        stats["visits_evicted_early_total"] = self.visits.evicted_early
        stats["visits_rebuilt"] = self.visits.rebuilt
        for name, cache in (
            ("agent", self.agents),
            ("source", self.sources),
            ("sender", self.pipeline.senders),
            ("page", parser.pages),
        ):
            stats[f"cache_{name}_hits_total"] = cache.hits
            stats[f"cache_{name}_misses_total"] = cache.misses
        return stats
