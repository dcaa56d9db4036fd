"""Passkeys and the QR code of one-time codes in a real browser, whose authenticator is Chromium's virtual one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import zxingcpp
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.server import Server
from tests.e2e.test_accounts import PASSWORD, SETTINGS, WAIT_MS, setup_link
from tests.e2e.test_browser import CHROMIUM, FLAGS

ANN = "ann@example.com"
# An authenticator of the device: it knows accounts by itself and verifies the person.
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
PIXELS = """async (image) => {
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 600;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0, 600, 600);
  return [...context.getImageData(0, 0, 600, 600).data].filter((_, at) => at % 4 === 0);
}"""


def under_a_name(server: Server) -> str:
    """The node's address as browsers let passkeys have it."""
    return server.url.replace("127.0.0.1", "localhost")


def panel(page: Page, heading: str) -> Any:
    return page.get_by_role("heading", name=heading, exact=True).locator("xpath=ancestor::section")


def test_a_passkey_is_added_in_a_browser_and_signs_in_without_a_password(tmp_path: Path) -> None:
    with Server(tmp_path / "data", settings=SETTINGS) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None,
        )
        devices = context.new_cdp_session(page)
        devices.send("WebAuthn.enable")
        made = devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        sign_up(server)
        page.goto(f"{under_a_name(server)}/login")
        page.get_by_label("E-mail").fill(ANN)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_text("Add your first site")).to_be_visible(timeout=WAIT_MS)
        page.goto(f"{under_a_name(server)}/account")
        passkeys = panel(page, "Passkeys")
        passkeys.get_by_label("Name (or leave it empty)").fill("this laptop")
        passkeys.get_by_label("Password now").fill(PASSWORD)
        passkeys.get_by_role("button", name="Add a passkey").click()
        expect(passkeys.get_by_role("listitem")).to_contain_text(
            "this laptop localhost never used", timeout=WAIT_MS
        )
        (key,) = devices.send("WebAuthn.getCredentials", made)["credentials"]
        assert (key["rpId"], key["isResidentCredential"], key["userName"]) == ("localhost", True, ANN)
        assert_qr_code_is_the_secret(page)
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_text("Add your first site")).to_be_visible(timeout=WAIT_MS)
        page.goto(f"{under_a_name(server)}/account")
        expect(page.get_by_role("heading", name=ANN)).to_be_visible(timeout=WAIT_MS)
        expect(panel(page, "Passkeys").get_by_role("listitem")).not_to_contain_text("never used")
        # The device no longer verifies the person: the browser refuses by itself, and says so in our words.
        devices.send("WebAuthn.setUserVerified", {**made, "isUserVerified": False})
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_role("alert")).to_contain_text("No passkey was used", timeout=WAIT_MS)
        assert errors == []
        browser.close()
        assert server.stop() == 0
    audit = (tmp_path / "data" / "audit.log").read_text()
    assert re.search(r'"kind": "login".*"passkey": 1', audit)
    assert "this laptop" not in audit
    assert ANN not in audit


def sign_up(server: Server) -> None:
    """The first account, without a browser."""
    link = setup_link(server).partition("#")[2]
    body = {"link": link, "email": ANN, "password": PASSWORD}
    answer = httpx.post(
        f"{server.url}/api/account/setup", json=body, headers={"origin": server.url}, timeout=60
    )
    assert answer.status_code == 200, answer.text


def assert_qr_code_is_the_secret(page: Page) -> None:
    codes = panel(page, "One-time codes")
    codes.get_by_role("button", name="Set up").click()
    image = codes.get_by_role("img", name="QR code of the key below")
    expect(image).to_be_visible(timeout=WAIT_MS)
    pixels = np.array(image.evaluate(PIXELS), dtype=np.uint8).reshape(600, 600)
    (read,) = zxingcpp.read_barcodes(pixels)
    secret = codes.get_by_role("group", name="Key").locator("code").inner_text()
    assert read.text == f"otpauth://totp/statnive%3A{ANN.replace('@', '%40')}?secret={secret}&issuer=statnive"
