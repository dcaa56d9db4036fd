"""The demo's traffic: the same for the same seed, in order, understood whole by the pipeline's own parts."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from statnive.config import GeoConfig, IngestConfig
from statnive.demo import site
from statnive.demo.traffic import Hit, Traffic
from statnive.geo_files import country_file
from statnive.ingest.geo import Geo
from statnive.ingest.parse import Parser, WireEvent
from statnive.ingest.user_agent import AgentParser

NOW = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def traffic(seed: int = 1, days: int = 14, visits: int = 200) -> list[Hit]:
    return list(Traffic("d.example", days=days, visits_a_day=visits, seed=seed, now=NOW, zone=BERLIN).hits())


def test_the_same_seed_makes_the_same_traffic_and_another_one_does_not() -> None:
    assert traffic(days=3) == traffic(days=3)
    assert traffic(days=3) != traffic(seed=2, days=3)


def test_hits_are_in_the_order_of_time_and_none_is_in_the_future() -> None:
    times = [hit.time_s for hit in traffic()]
    assert times == sorted(times)
    assert times[-1] < NOW.timestamp()
    first = datetime.fromtimestamp(times[0], BERLIN)
    assert (first.month, first.day) == (11, 11)
    assert len({datetime.fromtimestamp(at, BERLIN).date() for at in times}) == 14


def test_nights_weekends_and_one_day_of_news_show() -> None:
    views = [hit for hit in traffic() if b'"pageview"' in hit.body]
    hours = Counter(datetime.fromtimestamp(hit.time_s, BERLIN).hour for hit in views)
    assert hours[11] > 3 * hours[3]
    days = Counter(datetime.fromtimestamp(hit.time_s, BERLIN).date() for hit in views)
    news = max(days, key=days.__getitem__)
    assert news.day == 13
    assert days[news.replace(day=22)] < days[news.replace(day=19)]  # a Sunday, a Thursday


def test_every_hit_is_a_good_event_of_every_kind_that_a_site_knows() -> None:
    parser, names = Parser(IngestConfig()), Counter[str]()
    revenue = 0
    for hit in traffic():
        (event,) = parser.parse(hit.body)
        assert isinstance(event, WireEvent), event
        assert event.page.host == "d.example"
        names[event.name] += 1
        revenue += event.revenue
    goals = {goal["target"] for goal in site.GOALS if goal["kind"] == "event"}
    assert {"pageview", "engagement", "Outbound Link: Click", "File Download"} | goals == set(names)
    assert names["engagement"] > 0.9 * names["pageview"]
    assert revenue > 0
    assert not parser.left_out


def test_every_link_leads_to_a_page_that_leads_on() -> None:
    pages = {page for links in site.LINKS.values() for page in links}
    pages |= {page for source in (*site.SOURCES, site.NEWS) for page in source.entries}
    assert pages <= set(site.LINKS)


def test_addresses_are_in_the_country_they_are_meant_for() -> None:
    path = country_file(GeoConfig()).path
    assert path is not None
    geo = Geo(path, None)
    for country in site.COUNTRIES:
        for network in country.networks:
            for end in ("0.1", "128.7", "255.254"):
                assert geo.place(f"{network}.{end}").country == country.code, (country.code, network, end)


def test_every_agent_is_a_person_s_browser() -> None:
    parse = AgentParser(100)
    found = [parse(agent.text, None) for agent in site.AGENTS]
    assert {agent.device for agent in found} == {"desktop", "mobile", "tablet"}
    assert not any(agent.bot for agent in found)
    assert all(agent.browser and agent.os for agent in found)


def test_revenue_is_text_as_money_should_be() -> None:
    bought = [json.loads(hit.body) for hit in traffic(days=30) if b'"Purchase"' in hit.body]
    assert {event["$"]["amount"] for event in bought} <= {price for _, price, _ in site.PLANS}
