"""People's accounts: reading and changing what is another's, borrowed sessions, keys of the wrong kind, guessing."""

from __future__ import annotations

import statistics
import time
from typing import Final

from chaos.security.attack import Attack, Told, expect
from chaos.security.stage import FOREIGN, PASSWORD, SITE, Stage

SECRET_PAGE: Final = "/page-of-another-site"
READS: Final = (
    "overview", "trend", "pages", "entry-pages", "exit-pages", "hostnames", "sources", "channels", "referrers", "campaigns",
    "countries", "regions", "cities", "devices", "browsers", "browser-versions", "os", "os-versions", "events", "properties",
    "goals", "journeys", "bots", "realtime",
)  # fmt: skip
CHANGES: Final[tuple[tuple[str, dict[str, object]], ...]] = (
    ("/api/sites/remove", {"site": SITE}),
    ("/api/sites/public", {"site": SITE, "public": True}),
    ("/api/links", {"site": SITE, "name": "x"}),
    ("/api/tokens", {"site": SITE, "name": "x", "scopes": ["stats:read"]}),
    ("/api/people", {"site": SITE, "email": "mallory@example.com", "role": "owner"}),
    ("/api/sites", {"domain": "new.example"}),
    ("/api/users", {"email": "mallory@example.com", "operator": True}),
    ("/api/users/disable", {"email": "ann@example.com"}),
    ("/api/account/password", {"password": PASSWORD, "new": "another four plain words"}),
    ("/api/account/sessions/end", {"id": None}),
)
SAMPLES: Final = 9


def reads(stage: Stage) -> Told:
    """Every read of a site: by nobody, by a viewer of another site, with a token of another site."""
    with stage.client() as client:
        stage.event(client, u=f"https://{SITE}{SECRET_PAGE}")
    stage.settle()
    token = stage.control(
        "POST", "/control/tokens", {"name": "t", "scopes": ["stats:read"], "sites": [FOREIGN]}
    )["secret"]
    tried = 0
    with (
        stage.client() as nobody,
        stage.session("bob") as bob,
        stage.client(headers={"authorization": f"Bearer {token}"}) as keyed,
    ):
        for who, client in (("nobody", nobody), ("a foreign viewer", bob), ("a foreign token", keyed)):
            paths = [f"/api/stats/{name}?site={SITE}&period=day" for name in READS]
            paths += [
                f"/api/stats/pages?site={SITE}&period=day&format=csv",
                f"/api/stats/export?site={SITE}&period=day",
            ]
            paths += [
                f"/api/stats/pages?site={FOREIGN}&site={SITE}&period=day",
                f"/api/stats/pages?site={SITE}&site={FOREIGN}&period=day",
            ]
            paths += [f"/api/{name}?site={SITE}" for name in ("segments", "people", "links", "tokens")]
            paths += [
                "/metrics",
                "/api/operator/drops",
                "/api/users",
                f"/api/v1/sites/{SITE}",
                "/control/sites",
                "/control/users",
            ]
            paths += [
                f"/api/v1/stats/aggregate?site_id={SITE}&period=day",
                f"/api/v1/stats/breakdown?site_id={SITE}&property=event:page",
            ]
            for path in paths:
                answer = client.get(path)
                tried += 1
                expect(
                    SECRET_PAGE not in answer.text and "statnive_uptime" not in answer.text,
                    f"{who} read {path}",
                )
                own = (
                    f"site={FOREIGN}&site=" in path or f"&site={FOREIGN}" in path
                )  # its own site, named beside the other
                shell = answer.headers.get("content-type", "").startswith(
                    "text/html"
                )  # the page itself holds no data
                expect(own or shell or answer.status_code >= 400, f"{who} at {path}: {answer.status_code}")
            sites = client.get("/api/sites")
            expect(sites.status_code == 401 or SITE not in sites.text, f"{who} learnt that {SITE} is here")
    return Told(tried, "refused each time; a site of another and one that is none look alike")


def writes(stage: Stage) -> Told:
    """Every change, by who may only look, and by who may only look at another site."""
    before, tried = stage.holdings(), 0
    for name in ("bob", "eve"):  # a viewer of the other site; a viewer of this one
        with stage.session(name) as client:
            for path, body in CHANGES[:8]:
                answer = client.post(path, json=body)
                tried += 1
                expect(
                    400 <= answer.status_code < 500,
                    f"{name} at {path}: {answer.status_code} {answer.text[:100]}",
                )
    expect(stage.holdings() == before, "something has changed")
    return Told(tried, "refused each time, nothing changed")


def csrf(stage: Stage) -> Told:
    """Changes that another site's page could have an operator's browser send."""
    before, tried = stage.holdings(), 0
    own = stage.node.url
    with stage.session("ann") as ann, stage.session("bob") as bob:
        token, foreign = ann.headers["x-statnive-csrf"], bob.headers["x-statnive-csrf"]
        forged: list[dict[str, str]] = [
            {"origin": "https://evil.example", "x-statnive-csrf": token},
            {"origin": "null", "x-statnive-csrf": token},
            {"origin": own + ".evil.example", "x-statnive-csrf": token},
            {"origin": own.replace("http:", "https:") + "@evil.example", "x-statnive-csrf": token},
            {"origin": own, "sec-fetch-site": "cross-site", "x-statnive-csrf": token},
            {"origin": own, "sec-fetch-site": "same-site", "x-statnive-csrf": token},
            {"origin": own}, {"origin": own, "x-statnive-csrf": ""}, {"origin": own, "x-statnive-csrf": foreign},
            {"origin": own, "x-statnive-csrf": token[:-1]}, {"origin": own, "x-statnive-csrf": token.swapcase()},
            {"referer": "https://evil.example/"}, {},
        ]  # fmt: skip
        bare = stage.without(ann, "x-statnive-csrf", "origin")
        with bare:
            for headers in forged:
                for path, body in CHANGES:
                    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
                        answer = bare.post(path, json=body, headers={**headers, "content-type": kind})
                        tried += 1
                        expect(
                            answer.status_code in (400, 401, 403),
                            f"{headers} at {path}: {answer.status_code}",
                        )
            for path, body in CHANGES:
                bare.get(path, params={key: str(value) for key, value in body.items()})
                tried += 1
        preflight = ann.options(
            "/api/sites/remove",
            headers={"origin": "https://evil.example", "access-control-request-method": "POST"},
        )
        expect("access-control-allow-origin" not in preflight.headers, "CORS lets another site in")
        shown = ann.get(
            f"/api/stats/pages?site={SITE}&period=day", headers={"origin": "https://evil.example"}
        )
        expect("access-control-allow-origin" not in shown.headers, "CORS lets another site read")
    expect(stage.holdings() == before, "something has changed")
    return Told(tried, "refused each time, nothing changed; no CORS on any route of the dashboard")


def fixation(stage: Stage) -> Told:
    """Sessions that an attacker chose, kept, or should have lost."""
    tried = 0
    for planted in ("a" * 43, "x", "0" * 64, "../../x", "'; --"):
        with stage.client(cookies={"statnive": planted, "__Host-statnive": planted}) as client:
            answer = client.post(
                "/api/account/login", json={"email": "ann@example.com", "password": PASSWORD}
            )
            expect(answer.status_code == 200, f"log-in: {answer.status_code} {answer.text[:100]}")
            given = answer.cookies.get("statnive")
            expect(bool(given) and given != planted, "the session's id is the one that was planted")
            told = answer.headers["set-cookie"].lower()
            expect(
                "httponly" in told and "samesite" in told and "domain" not in told,
                f"the cookie is {told.partition(';')[2]}",
            )
            tried += 1
        with stage.client(cookies={"statnive": planted}) as client:
            expect(client.get("/api/sites").status_code == 401, "the planted id opens the dashboard")
    with stage.client("tls") as client:
        answer = client.post("/api/account/login", json={"email": "ann@example.com", "password": PASSWORD})
        told = answer.headers["set-cookie"]
        expect(
            told.startswith("__Host-") and "Secure" in told,
            f"over TLS the cookie is {told.partition('=')[0]}",
        )
        tried += 1
    first, second = stage.session("eve"), stage.session("eve")
    with first, second:
        left = dict(first.cookies)
        expect(first.get("/api/sites").status_code == 200, "a session does not work")
        expect(first.post("/api/account/logout", json={}).status_code == 200, "signing out fails")
        with stage.client(cookies=left) as kept:
            expect(kept.get("/api/sites").status_code == 401, "a session lives on after its end")
        changed = second.post("/api/account/password", json={"password": PASSWORD, "new": PASSWORD + " now"})
        expect(changed.status_code == 200, f"a new password: {changed.status_code} {changed.text[:100]}")
        tried += 2
    stage.control("POST", "/control/users/password", {"email": "eve@example.com", "password": PASSWORD})
    return Told(
        tried,
        "each log-in gives an id of its own, HttpOnly, SameSite, Secure on TLS; ended ones open nothing",
    )


def confusion(stage: Stage) -> Told:
    """Keys of one kind where another is asked for, bent, revoked, or of too little scope."""
    tried = 0
    manage = stage.control(
        "POST", "/control/tokens", {"name": "m", "scopes": ["sites:manage"], "sites": [SITE]}
    )
    gone = stage.control("POST", "/control/tokens", {"name": "g", "scopes": ["stats:read"], "sites": [SITE]})
    stage.control("POST", f"/control/tokens/{gone['id']}/revoke", {})
    query = {"site_id": SITE, "metrics": ["visitors"], "date_range": "day"}
    with stage.session("ann") as ann, stage.client() as client:
        cookie = next(iter(dict(ann.cookies).values()))
        bad = [
            cookie, ann.headers["x-statnive-csrf"], gone["secret"], manage["secret"], stage.token[:-1], stage.token + "a",
            stage.token.swapcase(), f"{stage.token} {stage.token}", f"{stage.token},", "null", "undefined", "*", "a" * 5_000,
        ]  # fmt: skip
        for secret in bad:
            answer = client.post("/api/v2/query", json=query, headers={"authorization": f"Bearer {secret}"})
            tried += 1
            expect(answer.status_code in (401, 403), f"{secret[:12]}… as a key: {answer.status_code}")
        for scheme in ("Basic", "Token", "bearer_", "x"):
            answer = client.post(
                "/api/v2/query", json=query, headers={"authorization": f"{scheme} {stage.token}"}
            )
            tried += 1
            expect(answer.status_code == 401, f"scheme {scheme!r}: {answer.status_code}")
        for where in ("?token=", "?api_key=", "?access_token=", "?authorization=Bearer%20"):
            answer = client.post(f"/api/v2/query{where}{stage.token}", json=query)
            tried += 1
            expect(answer.status_code == 401, f"a key in the address: {answer.status_code}")
        for path in (
            "/api/account/sessions",
            "/api/users",
            f"/api/people?site={SITE}",
            "/api/operator/drops",
        ):
            answer = client.get(path, headers={"authorization": f"Bearer {stage.token}"})
            tried += 1
            expect(answer.status_code in (401, 403), f"a token of stats:read at {path}: {answer.status_code}")
        with stage.client(cookies={"statnive": stage.token}) as as_cookie:
            tried += 1
            expect(as_cookie.get("/api/sites").status_code == 401, "a token opens the dashboard as a cookie")
        both = ann.post("/api/v2/query", json=query, headers={"authorization": "Bearer wrong"})
        tried += 1
        expect(both.status_code == 401, "a cookie helps a wrong token")
    return Told(tried, "each key opens what it is for and nothing else")


def timing(stage: Stage) -> Told:
    """Whether the time of a refused log-in tells which accounts there are."""
    emails = {"known": "ann@example.com", "unknown": "nobody@example.com", "disabled": "dan@example.com"}
    took: dict[str, list[float]] = {name: [] for name in emails}
    answers = set()
    for _ in range(SAMPLES):
        for name, email in emails.items():
            with stage.client() as client:
                client.get("/healthz")  # the connection is there
                began = time.perf_counter()
                answer = client.post(
                    "/api/account/login", json={"email": email, "password": "not this one, sorry"}
                )
                took[name].append(time.perf_counter() - began)
                answers.add((answer.status_code, answer.text))
    expect(len(answers) == 1, f"the answers differ: {sorted(answers)}")
    medians = {name: statistics.median(times) * 1e3 for name, times in took.items()}
    # The hash is nearly all of it: without one the unknown would take a hundredth. A busy machine doubles a median.
    expect(max(medians.values()) < 2.5 * min(medians.values()), f"medians in ms: {medians}")
    told = ", ".join(f"{name} {value:.0f} ms" for name, value in medians.items())
    return Told(SAMPLES * len(emails), f"one answer for all; medians {told}")


def guessing(stage: Stage) -> Told:
    """Passwords guessed from one address, and an account that strangers try to lock."""
    refused = tried = 0
    with stage.client() as client:
        for number in range(40):
            answer = client.post(
                "/api/account/login", json={"email": "ann@example.com", "password": f"guess number {number}"}
            )
            tried += 1
            refused += answer.status_code == 429
            expect(answer.status_code in (401, 429), f"a guess: {answer.status_code}")
        expect(refused >= 20, f"{40 - refused} of 40 guesses of one address were checked")
        setup = [
            client.post(
                "/api/account/setup",
                json={"link": f"guess{n}", "password": PASSWORD, "email": "m@example.com"},
            )
            for n in range(20)
        ]
        tried += len(setup)
        expect(all(answer.status_code >= 400 for answer in setup), "a guessed setup link works")
    for _ in range(20):
        with stage.client() as stranger:
            stranger.post(
                "/api/account/login", json={"email": "ann@example.com", "password": "a stranger's guess"}
            )
            tried += 1
    with stage.client() as ann:
        answer = ann.post("/api/account/login", json={"email": "ann@example.com", "password": PASSWORD})
        expect(
            answer.status_code == 200,
            f"strangers have locked ann out: {answer.status_code} {answer.text[:100]}",
        )
    text = (stage.node.data_dir / "audit.log").read_text()
    for secret in ("ann@example.com", PASSWORD, "guess number"):
        expect(secret not in text, f"audit.log holds {secret!r}")
    return Told(
        tried, f"{refused} of 40 guesses of one address were not even checked; ann still gets in from hers"
    )


ATTACKS: Final = (
    Attack("accounts/reads", "every read of a site by nobody, a foreign viewer, a foreign token", reads),
    Attack("accounts/writes", "every change by who may only look", writes),
    Attack("accounts/csrf", "changes that another site's page could send", csrf),
    Attack("accounts/fixation", "planted, kept and ended sessions", fixation),
    Attack("accounts/confusion", "keys of another kind, bent, revoked, in the wrong place", confusion),
    Attack("accounts/timing", "refused log-ins of known, unknown and disabled accounts", timing, quick=False),
    Attack(
        "accounts/guessing", "passwords and setup links guessed; an account locked by strangers", guessing
    ),
)
