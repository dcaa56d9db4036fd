"""The generator's parts without a server: variety, ledger, target, answers, figures."""

from __future__ import annotations

import ipaddress
import json
from array import array
from collections import Counter, defaultdict
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.load import Ramp, Settings, Stage, Variety, site_domain, timeline
from chaos.load.addresses import CARRIER_NETWORKS, GEO_NETWORKS, client_addresses
from chaos.load.answers import Garbled, parse_answer
from chaos.load.compose import composer, user_agents
from chaos.load.ledger import Flag, Header, Ledger, read_ledgers
from chaos.load.protocol import Order
from chaos.load.settings import AddressKind, Arrivals, Headers, from_json, to_json
from chaos.load.summary import Process, quantiles, summarize
from chaos.load.table import render
from chaos.load.target import link_of, parse_target
from chaos.load.variety import VARIANTS, Deck
from chaos.load.worker import due_times
from statnive.errors import BrokenInput, Rejected

TARGET = "http://127.0.0.1:8080/api/event"
SETTINGS = Settings(target=TARGET, run="r1", variety=Variety(addresses=300, urls=100, sites=10))


def requests_of(settings: Settings, count: int) -> list[tuple[dict[str, str], bytes]]:
    compose = composer(settings, parse_target(settings.target), Deck(settings.variety, 0, 1))
    parsed = []
    for number in range(count):
        head, _, body = compose(number, number).partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        assert first == "POST /api/event HTTP/1.1"
        parsed.append((dict(line.split(": ", 1) for line in lines), body))
    return parsed


# -- variety -------------------------------------------------------------------------------------------------


def test_the_default_world_has_200_000_addresses_2_000_agents_and_10_000_urls_on_50_sites():
    variety = Variety()
    assert len(set(client_addresses(variety.address_kind, variety.addresses, 1))) == 200_000
    assert len(set(user_agents(variety.user_agents))) == 2_000
    deck = Deck(variety, 0, 1)
    assert len(set(deck.visitors)) > 190_000
    urls = Counter(pick // VARIANTS for pick in deck.picks)
    assert len(urls) > 9_000
    assert {url % 50 for url in urls} == set(range(50))
    top, total = urls.most_common(1)[0][1], len(deck.picks)
    assert 0.09 < top / total < 0.12, "a Zipf distribution's first of 10,000 has a tenth"


def test_every_agent_is_one_that_a_server_may_not_refuse_unread():
    for agent in user_agents(2_000):
        assert 16 <= len(agent) <= 500
        assert agent.isascii()
        assert agent.startswith("Mozilla/5.0 (")


def test_every_visitor_has_one_site_one_address_and_one_agent():
    agents, sites = defaultdict(set), defaultdict(set)
    for headers, body in requests_of(SETTINGS, 4_000):
        agents[headers["X-Forwarded-For"]].add(headers["User-Agent"])
        sites[headers["X-Forwarded-For"]].add(json.loads(body)["d"])
    assert len(agents) > 250
    assert {len(found) for found in agents.values()} == {1}
    assert {len(found) for found in sites.values()} == {1}


def test_requests_are_valid_and_their_length_is_what_they_say():
    for headers, body in requests_of(SETTINGS, 500):
        event = json.loads(body)
        assert int(headers["Content-Length"]) == len(body) <= 8_192
        assert event["u"].startswith(f"https://{event['d']}/")
        assert headers["Origin"] == f"https://{event['d']}"
        assert len(headers) >= 12


def test_referrers_campaigns_and_custom_events_are_mixed_in():
    events = [json.loads(body) for _, body in requests_of(SETTINGS, 2_000)]
    campaigns = sum("utm_campaign=" in event["u"] for event in events)
    referred = sum("r" in event and event["d"] not in event["r"] for event in events)
    custom = sum(event["n"] != "pageview" for event in events)
    direct = sum("r" not in event for event in events)
    assert min(campaigns, referred, custom, direct) > 80


def test_few_headers_leave_only_what_matters():
    settings = attrs.evolve(SETTINGS, variety=attrs.evolve(SETTINGS.variety, headers=Headers.FEW))
    headers, _ = requests_of(settings, 1)[0]
    assert set(headers) == {"Host", "User-Agent", "Content-Type", "X-Forwarded-For", "Content-Length"}


def test_without_addresses_no_forwarded_header_is_sent():
    for per in (1, 2):
        variety = attrs.evolve(SETTINGS.variety, address_kind=AddressKind.NONE)
        settings = attrs.evolve(SETTINGS, variety=variety, events_per_request=per)
        for headers, body in requests_of(settings, 20):
            assert "X-Forwarded-For" not in headers
            assert int(headers["Content-Length"]) == len(body)


@pytest.mark.parametrize(
    ("kind", "networks"), [(AddressKind.GEO, GEO_NETWORKS), (AddressKind.CARRIERS, CARRIER_NETWORKS)]
)
def test_addresses_come_from_networks_that_the_test_databases_know(kind, networks):
    found = [ipaddress.ip_address(text.decode()) for text in client_addresses(kind, 5_000, 1)]
    assert len(set(found)) == 5_000
    for network in map(ipaddress.ip_network, networks):
        inside = [a for a in found if a.version == network.version and a in network]
        assert inside, f"no client in {network}"
    assert len({int(address) >> 64 for address in found if address.version == 6}) == sum(
        address.version == 6 for address in found
    ), "an IPv6 client is known by its /64"


def test_more_clients_than_a_network_holds_are_refused():
    with pytest.raises(Rejected, match="addresses"):
        client_addresses(AddressKind.CARRIERS, 2**60, 1)


@given(worker=st.integers(0, 3), request=st.integers(0, 10**6), event=st.integers(0, 9))
def test_the_same_deck_is_dealt_again_and_the_page_is_what_was_sent(worker, request, event):
    deck, again = DECKS[worker], Deck(SETTINGS.variety, worker, 4) if request % 97 == 0 else DECKS[worker]
    assert deck.page(request, event) == again.page(request, event)
    assert deck.page(request, event).host == deck.page(request, 0).host


DECKS = [Deck(SETTINGS.variety, worker, 4) for worker in range(4)]


def test_two_workers_share_no_visitor():
    seen = [set(deck.visitors) for deck in DECKS]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 300


# -- settings ------------------------------------------------------------------------------------------------


def test_settings_survive_json():
    settings = attrs.evolve(SETTINGS, cpus=(1, 0), arrivals=Arrivals.POISSON, new_connections=True)
    assert from_json(json.loads(json.dumps(to_json(settings)))) == settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"run": "Has Blank"}, {"run": "x' OR 1"}, {"connections": 0}, {"events_per_request": 11}, {"timeout_s": 0},
        {"processes": 4, "connections": 3}, {"pipeline": 2, "new_connections": True},
    ],
)  # fmt: skip
def test_settings_out_of_bounds_are_refused(wrong):
    with pytest.raises(Rejected):
        Settings(**{"target": TARGET, "run": "r1", **wrong})


def test_stages_are_bounded_in_time():
    for rate, seconds in ((0, 1), (1, 0), (1, 86_401)):
        with pytest.raises(Rejected):
            Stage(rate, seconds)


# -- target --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.215.14/api/event", "http://example.com/api/event", "https://127.0.0.1/", "http://10.99.0.1/",
        "http://[2606:2800::1]/", "http://127.0.0.1:80@example.com/", "http://0.0.0.0:8080/", "ftp://127.0.0.1/",
    ],
)  # fmt: skip
def test_load_on_anything_but_this_machine_is_refused(url):
    with pytest.raises(Rejected, match="target"):
        parse_target(url)


def test_loopback_is_a_target():
    target = parse_target("http://127.0.0.1:8080/api/event")
    assert (target.address, target.port, target.path) == ("127.0.0.1", 8080, "/api/event")
    assert parse_target("http://[::1]:81/e").address == "::1"
    assert parse_target("http://localhost:81/e").address == "127.0.0.1"


ROUTES = """\
Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 0101A8C0 0003 0 0 0 00000000 0 0 0
veth0 0000630A 00000000 0001 0 0 0 0000FFFF 0 0 0
eth0 0500630A 0101A8C0 0007 0 0 0 FFFFFFFF 0 0 0
"""


@pytest.mark.parametrize(("address", "device"), [("10.99.0.1", "veth0"), ("10.99.0.5", ""), ("10.1.0.1", "")])
def test_only_a_route_without_a_gateway_leads_to_a_link(address, device):
    assert link_of(ipaddress.IPv4Address(address), ROUTES) == device


# -- ledger --------------------------------------------------------------------------------------------------


def a_ledger(
    statuses: list[int], *, first_seq: int = 0, per: int = 1, late_s: float = 0.0, rate: float = 100.0
) -> Ledger:
    settings = attrs.evolve(SETTINGS, events_per_request=per)
    header = Header(settings, 0, 0, rate, len(statuses) / rate, 50.0, 1e9, 0, first_seq)
    ledger = Ledger.blank(header, array("d", [50 + number / rate for number in range(len(statuses))]))
    for number, status in enumerate(statuses):
        ledger.sent[number] = ledger.due[number] + late_s
        ledger.answered[number] = ledger.sent[number] + 0.005
        ledger.status[number] = status
    return ledger


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path):
    ledger = a_ledger([202, 429, 0], first_seq=7, per=3)
    ledger.flags[2] = Flag.TIMEOUT
    ledger.dropped[0] = 2
    ledger.write(tmp_path / "a.ledger")
    (again,) = read_ledgers(tmp_path)
    assert attrs.asdict(again, recurse=False) == attrs.asdict(ledger, recurse=False)
    assert (again.first_seq, again.end_seq) == (7, 16)


@given(data=st.data())
def test_a_damaged_ledger_is_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("ledger") / "a.ledger"
    a_ledger([202] * 5).write(path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path.write_bytes(content)
    with pytest.raises(BrokenInput):
        Ledger.read(path)


# -- answers -------------------------------------------------------------------------------------------------


@given(cut=st.integers(0, 200), extra=st.binary(max_size=20))
def test_an_answer_is_taken_whole_or_not_yet(cut, extra):
    whole = b"HTTP/1.1 202 Accepted\r\nX-Plausible-Dropped: 3\r\ncontent-length: 2\r\n\r\nok"
    if cut < len(whole):
        assert parse_answer(whole[:cut]) is None
    else:
        assert parse_answer(whole + extra) == (202, 3, False, len(whole))


def test_interim_answers_are_skipped():
    final = b"HTTP/1.1 204 No Content\r\nconnection: Close\r\n\r\n"
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert parse_answer(interim) is None
    assert parse_answer(interim + final) == (204, 0, True, len(interim + final))


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,
    ],
)  # fmt: skip
def test_what_is_no_answer_is_garbled(data):
    with pytest.raises(Garbled):
        parse_answer(data)


# -- schedule and figures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrivals", list(Arrivals))
def test_the_processes_schedules_add_up_to_the_rate(arrivals):
    settings = attrs.evolve(SETTINGS, processes=3, connections=3, arrivals=arrivals)
    times = []
    for worker in range(3):
        requests = len(range(worker, 6_000, 3))
        order = Order(0, 1_000, 6, requests, 100.0, 0, 0, "")
        own = due_times(order, settings, worker)
        assert list(own) == sorted(own)
        times += own
    assert len(times) == 6_000
    assert min(times) >= 100.0
    assert 105.5 < max(times) < 106.7
    if arrivals is Arrivals.EVEN:
        gaps = [b - a for a, b in zip(sorted(times), sorted(times)[1:], strict=False)]
        assert max(gaps) < 0.001_001


def test_an_unanswered_request_is_as_late_as_when_it_was_given_up_or_later():
    latency, at_least = quantiles([0.001] * 98, [5.0, 5.0])
    assert (latency["p50"], latency["p99"], latency["max"]) == (1.0, 5_000.0, 5_000.0)
    assert at_least == ("p99", "p999", "max")
    assert quantiles([], [])[1] == ()


def test_a_late_generator_is_said_in_the_table():
    summary = summarize([a_ledger([202] * 100, late_s=0.05)], [Process(0.95, 1.0, 0)])
    assert summary.latency_ms["p50"] == pytest.approx(55, abs=1)
    assert summary.lag_ms["p99"] == pytest.approx(50, abs=1)
    table = render([summary])
    assert "WARNING: the generator itself was late" in table
    assert "WARNING: the generator used its whole core" in table


def test_a_clean_run_has_no_warnings():
    summary = summarize([a_ledger([202] * 90 + [429] * 10)], [Process(0.3, 1.0, 0)])
    assert summary.warnings == ()
    assert (summary.acknowledged, summary.refused, summary.by_status) == (90, 10, {202: 90, 429: 10})
    assert "10 × 429" in render([summary])
    json.dumps(summary.to_json())


def test_a_rate_with_a_growing_backlog_is_not_sustained():
    """A server that manages 900 of 1,000 a second: after five seconds p99 is half a second, still good."""
    plan = Ramp(start_rate=1_000)
    slow, fast = a_ledger([202] * 5_000, rate=1_000), a_ledger([202] * 5_000, rate=1_000)
    for number in range(5_000):
        slow.answered[number] = 50 + number / 900
        fast.answered[number] = 50 + number / 1_000 + 0.4
    slow_summary, fast_summary = (summarize([each], [Process(0.1, 5.0, 0)]) for each in (slow, fast))
    assert max(slow_summary.latency_ms["p99"], fast_summary.latency_ms["p99"]) < plan.p99_ms_max
    assert plan.sustained(fast_summary)
    assert not plan.sustained(slow_summary)


def test_dropped_events_are_not_counted_as_acknowledged():
    ledger = a_ledger([202] * 4, per=5)
    ledger.dropped[0] = 3
    summary = summarize([ledger], [Process(0.1, 1.0, 0)])
    assert (summary.events_acknowledged, summary.events_dropped) == (17, 3)


def test_the_timeline_says_what_became_of_the_requests_of_each_second():
    ledger = a_ledger([202] * 100 + [0] * 50 + [503] * 50)
    ledger.sent[149] = 0.0
    first, second = timeline([ledger])
    assert (first["due"], first["acknowledged"], first["unknown"]) == (100, 100, 0)
    assert (second["due"], second["unknown"], second["unsent"], second["refused"]) == (100, 49, 1, 50)
    assert first["worst_ms"] == pytest.approx(5, abs=0.1)


def test_site_domains_are_the_ones_that_events_name():
    hosts = {json.loads(body)["d"] for _, body in requests_of(SETTINGS, 2_000)}
    assert hosts == {site_domain(site) for site in range(10)}
