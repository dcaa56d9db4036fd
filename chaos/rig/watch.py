"""A thread that reads a node's /metrics all the time, and what a reader of its figures wants to know."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Self
from urllib.parse import urlsplit

import attrs

DEADLINE_S: Final = 30.0
BACKLOG_S: Final = 3.0  # of live traffic: less is no backlog, it goes in with the next block or two


@attrs.frozen
class Sample:
    """One reading; `at` is CLOCK_MONOTONIC, in the middle of it."""

    at: float
    figures: dict[str, float]

    def __getitem__(self, name: str) -> float:
        return self.figures[name]


class MetricsReader:
    """One kept-alive connection to whatever node is there; `read` gives None while there is none."""

    def __init__(self, url: Callable[[], str], token: Callable[[], str] = str) -> None:
        self._url, self._token = url, token
        self._connection: http.client.HTTPConnection | None = None

    def read(self) -> Sample | None:
        """A reading now."""
        url = self._url()
        if not url:
            return None
        started = time.monotonic()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=DEADLINE_S)
            token = self._token()
            headers = {"authorization": f"Bearer {token}"} if token else {}
            self._connection.request("GET", "/metrics", headers=headers)
            answer = self._connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                raise OSError(f"/metrics answered {answer.status}")
        except (OSError, http.client.HTTPException):
            self.close()
            return None
        return Sample((started + time.monotonic()) / 2, parse_metrics(text))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Watch:
    """`with Watch(...) as watch:`; `watch.samples` grows meanwhile."""

    def __init__(
        self, url: Callable[[], str], token: Callable[[], str] = str, interval_s: float = 0.1
    ) -> None:
        self.samples: list[Sample] = []
        self._reader = MetricsReader(url, token)
        self._interval_s = interval_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._reader.close()

    def _run(self) -> None:
        while not self._end.wait(self._interval_s):
            sample = self._reader.read()
            if sample is not None:
                self.samples.append(sample)


def drain_ratio(samples: list[Sample], since: float, live_rate: float) -> float | None:
    """How many times faster than `live_rate` (events a second) a backlog went into ClickHouse, once its first block
    went in; None when there was none worth the name, or no end of it.
    """
    after = [sample for sample in samples if sample.at >= since]
    base = next((sample for sample in after if sample["writer_lag_rows"] > BACKLOG_S * live_rate), None)
    if base is None:
        return None
    rest = [sample for sample in after if sample.at >= base.at]
    first = next((sample for sample in rest if sample["writer_done_lsn"] > base["writer_done_lsn"]), None)
    end = next((sample for sample in rest if sample["writer_lag_rows"] <= live_rate), None)
    if first is None or end is None:
        return None
    inserting_s = first["writer_insert_seconds_total"] - base["writer_insert_seconds_total"]
    began = max(base.at, first.at - inserting_s)
    rows = end["writer_done_lsn"] - base["writer_done_lsn"]
    return float(rows / max(0.05, end.at - began) / live_rate)


def parse_metrics(text: str) -> dict[str, float]:
    """Prometheus' text, by name with labels, without "statnive_"."""
    pairs = (line.rpartition(" ") for line in text.splitlines() if line[:1] != "#")
    return {name.removeprefix("statnive_"): float(value) for name, _, value in pairs}


def until(true: Callable[[], Any], deadline_s: float, interval_s: float = 0.02) -> bool:
    """Wait for it; whether it came true within `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(interval_s)
    return True
