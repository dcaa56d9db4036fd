from __future__ import annotations

import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from statnive.actors import file_watch
from statnive.actors.file_watch import FileWatchHandle
from statnive.ingest.geo import Geo

DATA = Path(__file__).parents[3] / "shared" / "data" / "geoip"
CITY = DATA / "GeoLite2-City-Test.mmdb"
COUNTRY = DATA / "GeoLite2-Country-Test.mmdb"
ADDRESS = "81.2.69.160"


@attrs.define
class Watch:
    """A watch over one file, with what it reported."""

    file: Path
    geo: Geo
    handle: FileWatchHandle
    reports: list[tuple[str, str]]
    looked: int = 0

    def city(self) -> str:
        return self.geo.place(ADDRESS).city

    def put(self, source: Path | bytes) -> None:
        """A new file in place of the old one, as an update does it; its time differs for certain."""
        content = source if isinstance(source, bytes) else source.read_bytes()
        fresh = self.file.with_suffix(".new")
        fresh.write_bytes(content)
        os.utime(fresh, ns=(time.time_ns(), time.time_ns() + self.looked + 1))
        fresh.replace(self.file)

    async def polls(self, count: int) -> None:
        """Until the watch has looked that often."""
        until = self.looked + count
        while self.looked < until:
            await trio.sleep(0.001)


@asynccontextmanager
async def watching(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watch]:
    monkeypatch.setattr(file_watch, "POLL_S", 0.001)
    file = directory / "city.mmdb"
    shutil.copyfile(CITY, file)
    reports: list[tuple[str, str]] = []
    geo = Geo(file, None)
    handle = FileWatchHandle(
        geo, lambda kind, text: reports.append((kind, text)), name="geo", what="the databases"
    )
    watch = Watch(file, geo, handle, reports)
    look = handle.look

    def counted(asked: bool) -> str | None:
        try:
            return look(asked)
        finally:
            watch.looked += 1

    monkeypatch.setattr(handle, "look", counted)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(60):
            await nursery.start(file_watch.run, handle)
            yield watch
        nursery.cancel_scope.cancel()


async def test_a_changed_file_is_read_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(tmp_path, monkeypatch) as watch:
        assert watch.city() == "London"
        watch.put(COUNTRY)
        await watch.polls(4)
        assert watch.city() == ""
        assert watch.geo.place(ADDRESS).country == "GB"
        assert [kind for kind, _ in watch.reports] == ["geo_read"]
        assert watch.handle.stats() == {"geo_reloads_total": 1, "geo_kept_total": 0}


@pytest.mark.parametrize("content", [b"", b"half a database", bytes(100_000)])
async def test_a_broken_file_is_reported_once_and_the_old_database_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    async with watching(tmp_path, monkeypatch) as watch:
        watch.put(content)
        await watch.polls(8)
        assert watch.city() == "London"
        assert [kind for kind, _ in watch.reports] == ["geo_kept"]
        assert str(watch.file) in watch.reports[0][1]
        watch.put(COUNTRY)
        await watch.polls(4)
        assert watch.city() == ""
        assert watch.handle.stats() == {"geo_reloads_total": 1, "geo_kept_total": 1}


async def test_a_file_that_vanishes_is_reported_and_the_old_database_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(tmp_path, monkeypatch) as watch:
        watch.file.unlink()
        await watch.polls(8)
        assert watch.city() == "London"
        assert [kind for kind, _ in watch.reports] == ["geo_kept"]


async def test_a_request_reads_files_that_did_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watching(tmp_path, monkeypatch) as watch:
        await watch.polls(4)
        assert watch.reports == []
        watch.handle.request()
        await watch.polls(3)
        assert [kind for kind, _ in watch.reports] == ["geo_read"]


def test_a_file_that_is_still_being_written_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "city.mmdb"
    shutil.copyfile(CITY, file)
    geo = Geo(file, None)
    handle = FileWatchHandle(geo, lambda kind, text: None, name="geo", what="the databases")
    content = COUNTRY.read_bytes()
    for size in (1_000, 5_000, len(content)):
        file.write_bytes(content[:size])
        os.utime(file, ns=(size, size))
        assert handle.look(asked=False) is None
    assert handle.look(asked=False) == ""
    assert handle.look(asked=False) is None
    assert geo.place(ADDRESS).city == ""
