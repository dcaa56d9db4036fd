"""Accounts on a whole node: the first start, the pages in a real browser, and `statnive user` beside and without it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from playwright.sync_api import Browser, expect, sync_playwright

from chaos.rig.watch import until
from tests.e2e.server import TIMEOUT_S, Server, statnive
from tests.e2e.test_browser import CHROMIUM, FLAGS, shop

SITE = "shop.example"
SETTINGS = {
    "STATNIVE_AUTH_MODE": "accounts",
    "STATNIVE_AUTH_PASSWORD_MEMORY_KIB": "1024",
    "STATNIVE_AUTH_PASSWORD_PASSES": "1",
}
WAIT_MS = 60_000
PASSWORD = "four plain words here"


def setup_link(server: Server) -> str:
    """The one that the node printed at its start."""
    found: list[str] = []

    def printed() -> bool:
        found[:] = re.findall(r"http://\S+/setup#\S+", "".join(server.output))
        return bool(found)

    assert until(printed, TIMEOUT_S), "the node printed no setup link"
    return found[0]


def test_from_the_printed_link_to_a_shared_dashboard(tmp_path: Path) -> None:
    with Server(tmp_path / "data", settings=SETTINGS) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context().new_page()
        page.set_default_timeout(WAIT_MS)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.url)
        expect(page.get_by_text("printed a link to make the first one")).to_be_visible(timeout=WAIT_MS)
        page.goto(setup_link(server))
        page.get_by_label("E-mail").fill("ann@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text("Add your first site")).to_be_visible(timeout=WAIT_MS)
        (cookie,) = page.context.cookies()
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("statnive", True, "Lax")
        page.goto(f"{server.url}/account")
        page.get_by_label("Domain").fill(SITE)
        page.get_by_role("heading", name="Sites").locator("xpath=ancestor::section").get_by_role(
            "button", name="Add"
        ).click()
        page.get_by_role("link", name=SITE).click()
        links = page.get_by_role("heading", name="Shared links").locator("xpath=ancestor::section")
        links.get_by_label("Name").fill("board")
        links.get_by_label("Password (or leave it empty)").fill("open sesame")
        links.get_by_role("button", name="Make a link").click()
        url = links.locator("code").first.inner_text(timeout=WAIT_MS)
        assert url.startswith(f"{server.url}/share/{SITE}?auth=")
        shared_page(browser, url)
        links.get_by_label("Name").fill("blog")
        links.get_by_role("button", name="Make a link").click()
        framed_page(browser, links.locator("li", has_text="blog").locator("code").first.inner_text())
        page.goto(f"{server.url}/account")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=WAIT_MS)
        page.get_by_label("E-mail").fill("ann@example.com")
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_have_text(
            "The e-mail or the password is wrong.", timeout=WAIT_MS
        )
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator(".sites .name")).to_have_text(SITE, timeout=WAIT_MS)
        assert errors == []
        browser.close()
        assert server.stop() == 0
    audit = (tmp_path / "data" / "audit.log").read_text()
    for kind in ("setup", "login", "login_failed", "logout", "site_added", "link_added"):
        assert f'"kind": "{kind}"' in audit
    for secret in (PASSWORD, "ann@example.com", "open sesame", url.partition("auth=")[2], "127.0.0.1"):
        assert secret not in audit


def shared_page(browser: Browser, url: str) -> None:
    """Somebody without an account follows a link that has a password."""
    page = browser.new_context().new_page()
    page.goto(url)
    page.get_by_label("Password").fill("open sesame", timeout=WAIT_MS)
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".sites .name")).to_have_text(SITE, timeout=WAIT_MS)
    assert page.context.cookies() == []
    assert page.locator("a[href='/account']").count() == 0
    page.context.close()


def framed_page(browser: Browser, url: str) -> None:
    """The same inside a page of another origin: in the colours asked for, without what leads elsewhere."""
    with shop(f'<iframe src="{url}&theme=dark" style="width: 60rem; height: 40rem"></iframe>') as origin:
        page = browser.new_context(color_scheme="light").new_page()
        page.goto(origin)
        frame = page.frame_locator("iframe")
        expect(frame.locator(".sites .name")).to_have_text(SITE, timeout=WAIT_MS)
        expect(frame.get_by_text("Last 30 days")).to_be_visible()
        expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
        for left_out in (".brand", ".theme", ".menu", ".sites button"):
            expect(frame.locator(left_out)).to_have_count(0)
        page.context.close()


def user(*arguments: str, data_dir: Path, stdin: bytes | None = None) -> str:
    done = statnive("user", *arguments, data_dir=data_dir, stdin=stdin, settings=SETTINGS)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_users_are_made_and_disabled_with_a_node_running_and_without(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    assert statnive("site", "add", SITE, data_dir=data_dir).returncode == 0
    stdin = f"{PASSWORD}\n".encode()
    user("add", "root@example.com", "--operator", "--password-stdin", data_dir=data_dir, stdin=stdin)
    with Server(data_dir, settings=SETTINGS) as server:
        invited = user("add", "bob@example.com", "--site", SITE, data_dir=data_dir).strip()
        assert invited.startswith(f"{server.url}/setup#")
        with httpx.Client(base_url=server.url, timeout=TIMEOUT_S) as http:
            assert http.get("/api/sites").status_code == 401
            body = {"link": invited.partition("#")[2], "password": PASSWORD}
            assert http.post("/api/account/setup", json=body).status_code == 200
            assert [site["role"] for site in http.get("/api/sites").json()["sites"]] == ["viewer"]
            assert http.get("/metrics").status_code == 403
            user("disable", "bob@example.com", data_dir=data_dir)
            assert http.get("/api/sites").status_code == 401
            login = {"email": "root@example.com", "password": PASSWORD}
            assert http.post("/api/account/login", json=login).status_code == 200
            assert http.get("/api/users").json()["users"][0]["state"] == "disabled"
        assert server.stop() == 0
        assert not re.search("/setup#", "".join(server.output))  # there is an account
    listed = user("list", data_dir=data_dir).splitlines()
    assert listed[0].startswith(f"bob@example.com  {SITE}: viewer  disabled  signed in 20")
    assert listed[1].startswith("root@example.com  operator  signed in 20")


def test_an_open_node_listens_on_this_machine_only(tmp_path: Path) -> None:
    done = statnive(
        "serve", "--listen", "0.0.0.0:0", data_dir=tmp_path / "data", settings={"STATNIVE_AUTH_MODE": "open"}
    )
    assert done.returncode == 2
    assert "auth.mode" in done.stderr
    assert "on this machine only, not 0.0.0.0:0" in done.stderr
