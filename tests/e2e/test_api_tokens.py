"""Tokens from the command line, with and without a running node; and what the API answers those without one."""

from __future__ import annotations

from pathlib import Path

import httpx

from chaos.statnive_node import NO_TLS
from tests.e2e.server import BROWSER, TIMEOUT_S, Server, read_clickhouse, statnive

SITE = "tokens.example"
SETTINGS = {"STATNIVE_API_REQUESTS_PER_HOUR": "4", "STATNIVE_SERVER_DASHBOARD_FROM": "192.0.2.0/24"}


def token(*arguments: str, data_dir: Path) -> str:
    done = statnive("token", *arguments, data_dir=data_dir)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_token_opens_the_api_to_any_address_until_its_limit_or_its_end(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    for domain in (SITE, "other.example"):
        assert statnive("site", "add", domain, data_dir=data_dir).returncode == 0
    offline = token("add", "made while stopped", "--site", SITE, data_dir=data_dir)
    with Server(data_dir, settings=SETTINGS) as server:
        manager = token(
            "add", "manager", "--all-sites", "--scope", "sites:manage", "--days", "30", data_dir=data_dir
        )

        def ask(path: str, secret: str = "", **query: str) -> httpx.Response:
            headers = {"authorization": f"Bearer {secret}"} if secret else {}
            return httpx.get(
                server.url + path, params=query, headers=headers, timeout=TIMEOUT_S, verify=NO_TLS
            )

        assert ask("/api/stats/overview", site=SITE).status_code == 403  # not of those who see the dashboard
        assert ask("/api/health").status_code == 200
        reading = "/api/v1/stats/aggregate"
        missing = ask(reading, site_id=SITE)
        assert (missing.status_code, missing.headers["www-authenticate"]) == (401, "Bearer")
        assert missing.json()["error"].startswith("Missing API key")
        assert ask(reading, offline, site_id=SITE).json() == {"results": {"visitors": {"value": 0}}}
        refused = [ask(reading, offline, site_id=domain) for domain in ("other.example", "none.example")]
        assert [answer.status_code for answer in refused] == [401, 401]
        assert refused[0].json() == refused[1].json()
        lacks = ask(reading, manager, site_id=SITE)
        assert lacks.status_code == 403
        assert "stats:read" in lacks.json()["error"]
        sites = ask("/api/v1/sites", manager).json()["sites"]
        assert [site["domain"] for site in sites] == ["other.example", SITE]
        assert ask("/api/v1/nothing", offline).json() == {"error": "GET /api/v1/nothing: Not Found"}
        assert ask(reading, offline).status_code == 400  # the fourth request
        limited = ask(reading, offline, site_id=SITE)
        assert (limited.status_code, int(limited.headers["retry-after"]) > 3_000) == (429, True)
        assert "limited to 4 requests per hour" in limited.json()["error"]
        writer = token("add", "shop", "--site", SITE, "--scope", "events:write", data_dir=data_dir)
        event = {
            "name": "pageview",
            "url": f"https://{SITE}/paid",
            "ip": "198.51.100.7",
            "user_agent": BROWSER,
        }
        bearer = {"authorization": f"Bearer {writer}"}
        for _ in range(6):  # more than four: the hour's limit is for questions
            sent = httpx.post(
                f"{server.url}/api/v1/events", json=[event] * 2, headers=bearer, timeout=TIMEOUT_S
            )
            assert (sent.status_code, sent.json()) == (202, {"accepted": 2, "dropped": []})
        assert "used 20" in token("list", data_dir=data_dir)
        token("revoke", "2", data_dir=data_dir)
        assert ask("/api/v1/sites", manager).status_code == 401
        assert server.stop() == 0
    ((counted,),) = read_clickhouse(
        data_dir, "SELECT sum(pageviews) AS views, uniqExact(visitor) AS people FROM statnive.events_raw"
    )
    assert counted == {"views": 12, "people": 1}
    listed = token("list", data_dir=data_dir).splitlines()
    assert listed[0].startswith(f"1  made while stopped  {offline[:9]}…  stats:read  {SITE}  used 20")
    assert listed[1].startswith("3  shop")
    assert listed[2].startswith("2  manager")
    assert listed[2].endswith("(revoked)")


def test_a_token_without_a_word_about_sites_is_not_made(tmp_path: Path) -> None:
    for wrong in ((), ("--all-sites", "--site", SITE)):
        done = statnive("token", "add", "x", *wrong, data_dir=tmp_path / "data")
        assert (done.returncode, "--all-sites" in done.stderr) == (2, True)
    unknown = statnive("token", "add", "x", "--site", "nowhere.example", data_dir=tmp_path / "data")
    assert unknown.returncode == 2
    assert "nowhere.example is not a site" in unknown.stderr
