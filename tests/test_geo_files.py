"""Which address databases a node opens, and that those which statnive brings along tell countries and carriers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from statnive import resources
from statnive.config import GeoConfig, LimiterConfig
from statnive.errors import BrokenInput
from statnive.geo_files import carrier_file, country_file
from statnive.ingest.geo import Geo

# One well-known network for each; data of another day knows them too.
COUNTRIES = {
    "8.8.8.8": "US",
    "81.2.69.160": "GB",
    "91.0.0.1": "DE",
    "90.0.0.1": "FR",
    "2003:c0::1": "DE",
    "2a01:e0a::1": "FR",
    "2804:14c::1": "BR",
    "2405:200::1": "IN",
}
CARRIERS = {"100.128.0.1": 21928, "37.64.0.1": 15557, "2607:fb90::1": 21928, "2405:200::1": 55836}


@pytest.fixture(scope="module")
def brought_along() -> Geo:
    country, carriers = country_file(GeoConfig()), carrier_file(GeoConfig())
    assert country.path is not None, country.said
    assert carriers.path is not None, carriers.said
    return Geo(country.path, carriers.path)


@pytest.mark.parametrize(("address", "country"), COUNTRIES.items())
def test_countries_are_known_out_of_the_box(brought_along: Geo, address: str, country: str) -> None:
    assert brought_along.place(address).country == country


@pytest.mark.parametrize(("address", "asn"), CARRIERS.items())
def test_carriers_are_known_out_of_the_box(brought_along: Geo, address: str, asn: int) -> None:
    assert brought_along.asn(address) == asn
    assert asn in LimiterConfig().carrier_asns


def test_only_carriers_have_a_number_out_of_the_box(brought_along: Geo) -> None:
    assert [
        brought_along.asn(address) for address in ("8.8.8.8", "1.1.1.1", "2606:4700::1111", "10.0.0.1")
    ] == [
        0,
        0,
        0,
        0,
    ]


def test_the_start_says_where_the_data_is_from_and_under_which_licence() -> None:
    country, carriers = country_file(GeoConfig()), carrier_file(GeoConfig())
    for word in ("ip-location-db", "CC0-1.0", "nro.net", "20"):
        assert word in country.said
    for word in ("ip-location-db", "CC-BY-4.0", "routeviews.org", "nro.net", "https://db-ip.com"):
        assert word in carriers.said
    folder = resources.directory("geo")
    notice = (folder / "NOTICE.txt").read_text()
    assert "Creative Commons Attribution 4.0" in notice
    assert "DB-IP" in notice


def test_none_turns_look_ups_off() -> None:
    config = GeoConfig(city_database="none", asn_database="none")
    for file in (country_file(config), carrier_file(config)):
        assert (file.path, file.missing) == (None, False)
        assert "none" in file.said


def test_a_path_is_taken_as_it_is() -> None:
    config = GeoConfig(city_database="/var/lib/geo/city.mmdb", asn_database="asn.mmdb")
    assert country_file(config).path == Path("/var/lib/geo/city.mmdb")
    assert carrier_file(config).path == Path("asn.mmdb")


def test_a_node_without_the_built_data_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "optional_directory", lambda name: None)
    for file in (country_file(GeoConfig()), carrier_file(GeoConfig())):
        assert (file.path, file.missing) == (None, True)
        assert "make geo" in file.said


def test_a_damaged_installation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "optional_directory", lambda name: tmp_path)
    for content in ("", "{}", json.dumps({"country": 5, "carriers": []})):
        (tmp_path / "sources.json").write_text(content)
        for choose in (country_file, carrier_file):
            with pytest.raises(BrokenInput, match=r"sources\.json"):
                choose(GeoConfig())
