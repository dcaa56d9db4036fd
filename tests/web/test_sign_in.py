"""Accounts over HTTP: setup, signing in, one-time codes, sessions, passwords; and what a guesser meets."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from statnive.control.passwords import Hasher, base32, new_secret, totp_code
from statnive.control.users import SESSIONS_MAX
from statnive.web.sign_in import CODES_WRONG_MAX, FREE_AT_ACCOUNT, FREE_AT_ALL, WRONG, SlowDown
from tests.web.accounts_world import CHEAP, NODE, PASSWORD, World, as_session

ANN = "ann@example.com"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.control.close()


async def login(world: World, email: str = ANN, password: str = PASSWORD, **more: Any) -> httpx.Response:
    given = {key: more.pop(key) for key in ("address", "headers") if key in more}
    return await world.post("/api/account/login", {"email": email, "password": password, **more}, **given)


def cookie(answer: httpx.Response) -> str:
    found = re.match(r"statnive=([^;]*);", answer.headers["set-cookie"])
    assert found
    return found[1]


async def account(world: World, session: str) -> Any:
    answer = await world.ask("GET", "/api/account", headers=as_session(session))
    return answer.json()["account"]


# --- setup ------------------------------------------------------------------------------------------------------


async def test_the_setup_link_makes_the_first_operator_once(world: World) -> None:
    assert (await world.ask("GET", "/api/account")).json()["needs_setup"] is True
    first, second = new_secret(), new_secret()
    world.store.setup_link(0, first, 3_600)
    world.store.setup_link(0, second, 3_600)  # the node was started again
    body = {"link": first, "email": "Ann@Example.com ", "password": PASSWORD}
    assert (await world.post("/api/account/setup", body)).status_code == 400
    look = await world.post("/api/account/setup/look", {"link": second})
    assert look.json() == {"email": None}
    made = await world.post("/api/account/setup", {**body, "link": second})
    assert made.status_code == 200, made.text
    assert made.json()["account"] == {
        "email": ANN, "is_operator": True, "has_totp": False, "recovery_left": 0,
    }  # fmt: skip
    assert await account(world, cookie(made)) == made.json()["account"]
    again = await world.post("/api/account/setup", {**body, "link": second, "email": "eve@example.com"})
    assert (again.status_code, again.json()["error"]["field"]) == (400, "link")
    assert (await world.ask("GET", "/api/account")).json()["needs_setup"] is False
    assert (await login(world)).status_code == 200
    assert "setup" in world.auditor.kinds()


async def test_a_setup_link_ends_by_itself_and_an_invitation_keeps_its_e_mail(world: World) -> None:
    user = world.store.add_user("bob@example.com", is_operator=False)
    secret = new_secret()
    world.store.setup_link(user.id, secret, 3_600)
    world.accounts.reload()
    assert (await world.post("/api/account/setup/look", {"link": secret})).json() == {
        "email": "bob@example.com"
    }
    body = {"link": secret, "password": PASSWORD, "email": "eve@example.com"}
    world.now += 3_601
    assert (await world.post("/api/account/setup", body)).status_code == 400
    world.now -= 3_601
    assert (await world.post("/api/account/setup", body)).json()["account"]["email"] == "bob@example.com"
    assert (await login(world, "eve@example.com")).status_code == 401


@pytest.mark.parametrize("password", ["short", "a" * 201, "aaaaaaaaaaaa", ANN])
async def test_a_weak_password_is_refused_and_leaves_the_link(world: World, password: str) -> None:
    secret = new_secret()
    world.store.setup_link(0, secret, 3_600)
    refused = await world.post("/api/account/setup", {"link": secret, "email": ANN, "password": password})
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "password")
    assert (await world.post("/api/account/setup/look", {"link": secret})).status_code == 200


# --- signing in -------------------------------------------------------------------------------------------------


async def test_the_cookie_is_out_of_reach_and_new_each_time(world: World) -> None:
    world.user(ANN, a="viewer")
    first = await login(world)
    assert first.headers["set-cookie"].lower().split("; ")[1:] == [
        "httponly", f"max-age={CHEAP.session_life_s}", "path=/", "samesite=lax",
    ]  # fmt: skip
    again = await login(world, headers=as_session(cookie(first)))
    assert cookie(again) != cookie(first)
    assert await account(world, cookie(first)) is None  # fixation: the id from before is nobody's
    chosen = "A" * 43
    planted = await login(world, headers={"cookie": f"statnive={chosen}"})
    assert cookie(planted) != chosen
    assert await account(world, chosen) is None


async def test_behind_tls_the_cookie_is_secure_and_of_this_host_alone(world: World) -> None:
    world.user(ANN, a="viewer")
    headers = {"x-forwarded-proto": "https", "origin": "https://stats.example:8080"}
    believed = await login(world, address="127.0.0.1", headers=headers)
    assert believed.headers["set-cookie"].startswith("__Host-statnive=")
    assert "Secure" in believed.headers["set-cookie"]
    stranger = await login(world, headers=headers)
    assert stranger.headers["set-cookie"].startswith("statnive=")


async def test_an_unknown_a_disabled_and_an_unfinished_account_answer_as_a_wrong_password_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.user(ANN)
    world.user("gone@example.com")
    world.user("other@example.com", operator=True)
    world.store.disable("gone@example.com")
    world.store.add_user("new@example.com", is_operator=False)
    checked: list[str] = []
    verify = Hasher.fits

    def counted(self: Hasher, kept: str, password: str) -> bool:
        checked.append(kept)
        return verify(self, kept, password)

    monkeypatch.setattr(Hasher, "fits", counted)
    answers = []
    for number, email in enumerate((ANN, "gone@example.com", "new@example.com", "nobody@example.com", "x")):
        answer = await login(world, email, "wrong password", address=f"203.0.113.{number}")
        answers.append((answer.status_code, answer.json(), sorted(answer.headers.items())))
    assert answers == [answers[0]] * 5
    assert answers[0][0] == 401
    assert answers[0][1]["error"] == {"field": None, "message": WRONG}
    assert len(checked) == 5  # one hash each, whoever it is


def test_nobodys_hash_costs_what_a_real_one_does() -> None:
    hasher = Hasher(memory_kib=1_024, passes=1)
    real, nobody = hasher.hash(PASSWORD), hasher._nobodys
    assert re.sub(r"\$[^$]+\$[^$]+$", "", real) == re.sub(r"\$[^$]+\$[^$]+$", "", nobody)
    assert [len(part) for part in real.split("$")] == [len(part) for part in nobody.split("$")]
    assert hasher.fits(real, PASSWORD)
    assert not hasher.fits("", PASSWORD)
    assert not hasher.fits("no hash", PASSWORD)


async def test_a_hash_of_other_costs_is_made_anew_and_ends_no_session(world: World) -> None:
    number = world.user(ANN)
    world.store.rehash(number, Hasher(memory_kib=2_048, passes=2).hash(PASSWORD))
    session = world.session(number)
    assert (await login(world)).status_code == 200
    assert "m=1024,t=1" in world.store.credentials(ANN).password
    assert await account(world, session) is not None


async def test_who_guesses_is_slowed_down_and_nobody_else_is(world: World) -> None:
    world.user(ANN)
    guesser = "198.51.100.7"
    for _ in range(FREE_AT_ACCOUNT):
        assert (await login(world, password="wrong password", address=guesser)).status_code == 401
    slowed = await login(world, address=guesser)
    assert (slowed.status_code, slowed.headers["retry-after"]) == (429, "1")
    assert (await login(world, address="203.0.113.9")).status_code == 200  # the person is not locked out
    waits = []
    for _ in range(12):
        world.now += int((await login(world, address=guesser)).headers["retry-after"])
        assert (await login(world, password="wrong password", address=guesser)).status_code == 401
        waits.append(int((await login(world, address=guesser)).headers["retry-after"]))
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    assert "login_limited" in world.auditor.kinds()
    world.now += 3_601
    assert (await login(world, address=guesser)).status_code == 200


async def test_one_address_that_tries_many_accounts_is_slowed_down_by_its_network(world: World) -> None:
    for number in range(FREE_AT_ALL):
        tried = await login(world, f"u{number}@example.com", address=f"2001:db8:1:2::{number:x}")
        assert tried.status_code == 401
    assert (await login(world, "other@example.com", address="2001:db8:1:2:ffff::1")).status_code == 429
    assert (await login(world, "other@example.com", address="2001:db8:1:3::1")).status_code == 401


async def test_an_office_that_signs_in_all_day_from_one_address_is_not_slowed_down(world: World) -> None:
    world.user(ANN)
    for _ in range(FREE_AT_ALL + 5):
        assert (await login(world)).status_code == 200


def test_the_memory_of_attempts_is_bounded() -> None:
    slow = SlowDown(lambda: 0.0, keys_max=10)
    for number in range(100):
        slow.count(number, 1)
    assert len(slow._tries) == 10
    assert slow.wait_s(99) == 1
    assert slow.wait_s(0) == 0


# --- one-time codes ---------------------------------------------------------------------------------------------


async def with_codes(world: World) -> tuple[int, str, bytes, list[str]]:
    """Ann with one-time codes: her number, her session, her secret, her recovery codes."""
    number = world.user(ANN, a="owner")
    session = world.session(number)
    begun = (await world.post("/api/account/totp/begin", {}, session)).json()
    assert begun["uri"].startswith(f"otpauth://totp/statnive%3Aann%40example.com?secret={begun['secret']}")
    secret = base64.b32decode(begun["secret"])
    body = {"password": PASSWORD, "secret": begun["secret"], "code": "000000"}
    assert (await world.post("/api/account/totp", body, session)).status_code == 400
    body["code"] = totp_code(secret, int(world.now) // 30)
    made = await world.post("/api/account/totp", body, session)
    assert made.status_code == 200, made.text
    return number, session, secret, made.json()["recovery_codes"]


async def test_a_one_time_code_is_asked_for_after_the_password_and_works_once(world: World) -> None:
    _, _, secret, _ = await with_codes(world)
    asked = await login(world)
    assert (asked.status_code, asked.json()["error"]["field"]) == (401, "code")
    assert "set-cookie" not in asked.headers
    wrong_first = await login(world, password="wrong password", code=totp_code(secret, 1))
    assert wrong_first.json()["error"] == {"field": None, "message": WRONG}
    used = totp_code(secret, int(world.now) // 30)
    assert (await login(world, code=used)).status_code == 401  # it set the codes up
    world.now += 30
    fresh = totp_code(secret, int(world.now) // 30)
    assert (await login(world, code=f"{fresh[:3]} {fresh[3:]}")).status_code == 200
    assert (await login(world, code=fresh)).status_code == 401
    world.now += 90
    for ahead, status in ((-2, 401), (2, 401), (1, 200)):
        answer = await login(world, code=totp_code(secret, int(world.now) // 30 + ahead), address="192.0.2.1")
        assert answer.status_code == status
    assert totp_code(b"12345678901234567890", 59 // 30) == "287082"  # RFC 6238, appendix B
    assert base32(b"12345678901234567890") == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


async def test_a_recovery_code_works_once_however_it_is_typed(world: World) -> None:
    number, session, _, codes = await with_codes(world)
    assert len(set(codes)) == 10
    assert (await login(world, code=codes[0].upper().replace("-", " "))).status_code == 200
    assert (await login(world, code=codes[0])).status_code == 401
    assert world.accounts.directory.users[number].recovery_left == 9
    renewed = await world.post("/api/account/recovery", {"password": PASSWORD}, session)
    assert (await login(world, code=codes[1], address="192.0.2.2")).status_code == 401
    assert (
        await login(world, code=renewed.json()["recovery_codes"][1], address="192.0.2.2")
    ).status_code == 200
    kept = world.control._connection.execute("SELECT digest FROM recovery_codes").fetchall()
    assert all(len(digest) == 32 for (digest,) in kept)


async def test_wrong_codes_of_many_addresses_close_the_codes_and_never_the_recovery_codes(
    world: World,
) -> None:
    _, _, secret, codes = await with_codes(world)
    world.now += 60
    for number in range(CODES_WRONG_MAX):
        answer = await login(world, code="000000", address=f"198.51.100.{number}")
        assert answer.status_code == 401
    closed = await login(world, code=totp_code(secret, int(world.now) // 30))
    assert (closed.status_code, closed.json()["error"]["field"]) == (429, "code")
    assert (await login(world, code=codes[3])).status_code == 200
    world.now += 3_600
    assert (await login(world, code=totp_code(secret, int(world.now) // 30))).status_code == 200


async def test_codes_are_removed_with_the_password_only(world: World) -> None:
    _, session, _, _ = await with_codes(world)
    assert (await world.post("/api/account/totp/remove", {"password": "wrong"}, session)).status_code == 403
    assert (await world.post("/api/account/totp/remove", {"password": PASSWORD}, session)).status_code == 200
    assert (await login(world)).status_code == 200


# --- sessions ---------------------------------------------------------------------------------------------------


async def test_a_session_ends_idle_and_ends_old(world: World) -> None:
    number = world.user(ANN)
    session = world.session(number)
    for _ in range(4):
        world.now += CHEAP.session_idle_s - 10
        assert await account(world, session) is not None
    world.now += CHEAP.session_life_s - 4 * (CHEAP.session_idle_s - 10)
    assert await account(world, session) is None
    idle = world.session(number)
    world.now += CHEAP.session_idle_s + 1
    assert await account(world, idle) is None


async def test_a_use_is_written_down_now_and_then_and_survives_a_restart(world: World) -> None:
    number = world.user(ANN)
    session = world.session(number)
    world.now += 4_000
    await world.ask("GET", "/api/account/sessions", headers=as_session(session))
    (kept,) = world.store.directory().sessions.values()
    assert kept.used_at == int(world.now)
    world.now += 100
    await world.ask("GET", "/api/account/sessions", headers=as_session(session))
    (kept,) = world.store.directory().sessions.values()
    assert kept.used_at == int(world.now) - 100
    assert world.accounts.used_at(kept) == int(world.now)


async def test_sessions_are_listed_in_words_and_ended_one_by_one_or_all_but_this(world: World) -> None:
    number = world.user(ANN)
    this, second, third = (world.session(number) for _ in range(3))
    foreign = world.session(world.user("bob@example.com"))
    shown = (await world.ask("GET", "/api/account/sessions", headers=as_session(this))).json()["sessions"]
    assert [s["is_this"] for s in sorted(shown, key=lambda s: s["id"])] == [True, False, False]
    assert {s["label"] for s in shown} == {"Firefox, Linux"}
    theirs = max(s.id for s in world.accounts.directory.sessions.values())
    for target, ended in ((sorted(s["id"] for s in shown)[1], 1), (theirs, 0)):
        answer = await world.post("/api/account/sessions/end", {"id": target}, this)
        assert answer.json() == {"ended": ended}
    assert await account(world, second) is None
    assert await account(world, foreign) is not None
    assert (await world.post("/api/account/sessions/end", {"id": None}, this)).json() == {"ended": 1}
    assert await account(world, third) is None
    assert await account(world, this) is not None
    assert (await world.post("/api/account/logout", {}, this)).status_code == 200
    assert await account(world, this) is None


async def test_a_new_password_ends_every_other_session_and_renews_this_one(world: World) -> None:
    number = world.user(ANN)
    this, other = world.session(number), world.session(number)
    change = {"password": PASSWORD, "new": "another good password"}
    assert (await world.post("/api/account/password", {**change, "password": "no"}, this)).status_code == 403
    changed = await world.post("/api/account/password", change, this)
    assert changed.status_code == 200, changed.text
    for session in (this, other):
        assert await account(world, session) is None
    assert (await account(world, cookie(changed)))["email"] == ANN
    assert (await login(world)).status_code == 401
    assert (await login(world, password=change["new"])).status_code == 200


async def test_a_user_has_so_many_sessions_and_the_longest_unused_ends(world: World) -> None:
    number = world.user(ANN)
    first = world.session(number)
    for _ in range(SESSIONS_MAX):
        world.now += 1
        world.session(number)
    assert len(world.accounts.directory.sessions) == SESSIONS_MAX
    assert await account(world, first) is None


async def test_who_is_disabled_is_out_at_once_and_the_last_operator_can_not_be(world: World) -> None:
    root = world.session(world.user("root@example.com", operator=True))
    session = world.session(world.user(ANN, a="owner"))
    assert (await world.post("/api/users/disable", {"email": ANN}, root)).json()["state"] == "disabled"
    assert await account(world, session) is None
    assert (await login(world)).status_code == 401
    refused = await world.post("/api/users/disable", {"email": "root@example.com"}, root)
    assert "last operator" in refused.json()["error"]["message"]
    assert (await world.post("/api/users/enable", {"email": ANN}, root)).status_code == 200
    assert (await login(world, address="192.0.2.8")).status_code == 200


def test_nothing_that_opens_anything_is_in_the_file(world: World, tmp_path: Path) -> None:
    number = world.user(ANN)
    secrets = [world.session(number), new_secret(), world.token("stats:read")]
    world.store.setup_link(number, secrets[1], 60)
    world.control._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("control.db*"))
    for secret in (*secrets, PASSWORD):
        assert secret.encode() not in kept
    assert (tmp_path / "control.db").stat().st_mode & 0o077 == 0


# --- the browser's side -----------------------------------------------------------------------------------------


async def test_a_change_by_cookie_needs_our_own_origin_and_the_sessions_token(world: World) -> None:
    session = world.session(world.user(ANN, a="owner"))
    whole = as_session(session)
    body = {"site": "a.example", "public": True}

    async def status(**headers: str | None) -> int:
        sent = {"origin": NODE, **whole, **headers}
        given = {name.replace("_", "-"): value for name, value in sent.items() if value is not None}
        return (await world.ask("POST", "/api/sites/public", json=body, headers=given)).status_code

    assert await status() == 200
    assert await status(origin=None) == 403
    assert await status(origin=None, sec_fetch_site="same-origin") == 200
    for origin in (
        "null",
        "https://evil.example",
        "http://stats.example:8081",
        "http://stats.example.evil:8080",
        "",
    ):
        assert await status(origin=origin) == 403, origin
    assert await status(origin="http://[::1") == 403
    for site in ("cross-site", "same-site", "none"):
        assert await status(sec_fetch_site=site) == 403
    given = {"origin": NODE, "cookie": whole["cookie"]}
    for token in (
        {},
        {"x-statnive-csrf": ""},
        as_session(new_secret())["x-statnive-csrf"] and {"x-statnive-csrf": "0" * 32},
    ):
        answer = await world.ask("POST", "/api/sites/public", json=body, headers={**given, **token})
        assert answer.status_code == 403
    assert world.auditor.kinds().count("csrf_refused") == 13


async def test_a_sign_in_by_another_sites_page_is_refused(world: World) -> None:
    world.user(ANN)
    assert (await login(world, headers={"origin": "https://evil.example"})).status_code == 403
    assert (await login(world, headers={"sec-fetch-site": "cross-site"})).status_code == 403
    body = {"email": ANN, "password": PASSWORD}
    assert (await world.ask("POST", "/api/account/login", json=body)).status_code == 200  # a program


async def test_every_answer_of_the_dashboard_and_the_api_has_the_headers_and_no_cors(world: World) -> None:
    for path in ("/", "/api/sites", "/api/account", "/api/v1/sites", "/login"):
        answer = await world.ask("GET", path, headers={"origin": "https://evil.example"})
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_only_an_open_shared_link_may_be_framed(world: World) -> None:
    secret = world.link(world.a, "board")
    ended = world.link(world.a, "old", days=1)
    world.now += 90_000
    for query, framed in ((f"auth={secret}", True), ("auth=x", False), (f"auth={ended}", False), ("", False)):
        policy = (await world.ask("GET", f"/?{query}")).headers["content-security-policy"]
        assert ("frame-ancestors *" in policy) is framed
    moved = await world.ask("GET", f"/share/a.example?auth={secret}")
    assert (moved.status_code, moved.headers["location"]) == (302, f"/?site=a.example&auth={secret}")
    for query, theme in (
        ("theme=dark", "dark"),
        ("embed=true", "system"),
        ("embed=true&theme=light", "light"),
    ):
        moved = await world.ask("GET", f"/share/a.example?auth={secret}&{query}")
        assert moved.headers["location"] == f"/?site=a.example&auth={secret}&theme={theme}"
    refused = await world.ask("GET", f"/share/a.example?auth={secret}&theme=pink")
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "theme")
    for path in (
        f"/share/b.example?auth={secret}",
        "/share/evil.example?auth=//evil.example",
        "/share/a.example",
    ):
        assert (await world.ask("GET", path)).headers["location"] == "/?auth=over"


async def test_a_link_with_a_password_opens_by_a_key_that_ends(world: World) -> None:
    secret = world.link(world.a, "board", password="open sesame")

    async def sites(key: str) -> httpx.Response:
        return await world.ask("GET", "/api/sites", headers={"x-statnive-link": key})

    locked = await sites(secret)
    assert (locked.status_code, locked.json()["error"]["field"]) == (401, "password")
    wrong = await world.post("/api/links/open", {"link": secret, "password": "open barley"})
    assert wrong.status_code == 401
    opened = await world.post("/api/links/open", {"link": secret, "password": "open sesame"})
    key = opened.json()["key"]
    assert [site["domain"] for site in (await sites(key)).json()["sites"]] == ["a.example"]
    for _ in range(FREE_AT_ACCOUNT):
        await world.post("/api/links/open", {"link": secret, "password": "guess"}, address="192.0.2.66")
    slowed = await world.post(
        "/api/links/open", {"link": secret, "password": "open sesame"}, address="192.0.2.66"
    )
    assert slowed.status_code == 429
    world.now += 12 * 3_600
    assert (await sites(key)).status_code == 401


async def test_an_open_node_answers_this_machine_by_its_own_names_only(tmp_path: Path) -> None:
    world = World(tmp_path, mode="open")

    async def status(address: str = "127.0.0.1", **headers: str) -> int:
        return (await world.ask("GET", "/api/sites", address=address, headers=headers)).status_code

    assert await status(host="127.0.0.1:8080") == 200
    assert await status(host="localhost:8080") == 200
    assert await status(host="[::1]:8080") == 200
    for host in ("evil.example:8080", "[::1", "", "localhost@evil.example", "localhost.evil.example"):
        assert await status(host=host) == 403, host  # a name that was rebound to this machine, or none
    assert await status(address="203.0.113.9", host="127.0.0.1") == 403
    assert await status(host="127.0.0.1", **{"x-forwarded-for": "203.0.113.9"}) == 403
    body = {"site": "a.example", "public": True}
    headers = {"host": "127.0.0.1:8080", "origin": "https://evil.example"}
    forged = await world.ask("POST", "/api/sites/public", json=body, headers=headers, address="127.0.0.1")
    assert forged.status_code == 403
    world.control.close()
