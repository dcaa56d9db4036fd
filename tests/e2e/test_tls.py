"""TLS as a browser and an operator meet it: HTTP/2, reloads, broken pairs, refusals."""

from __future__ import annotations

import json
import os
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from chaos.statnive_node import statnive
from chaos.tls_pair import Pair, make_pair
from tests.e2e.server import BROWSER, NOON_ZONE, TIMEOUT_S, Server


class Secured(Server):
    """A node with a TLS port. Its files are `pair`'s, under fixed names."""

    pair: Pair

    @property
    def secure_url(self) -> str:
        (line,) = [line for line in self.output if line.startswith("TLS on ")]
        return line.split()[-1]

    def client(self, *alpn: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.secure_url, verify=self.pair.client(*alpn), http2="h2" in alpn, timeout=TIMEOUT_S
        )

    def subject(self) -> str:
        """The name in the certificate that is served now."""
        host, _, port = self.secure_url.removeprefix("https://").rpartition(":")
        return ssl.get_server_certificate((host, int(port)), timeout=TIMEOUT_S)

    def reload(self) -> None:
        os.kill(self.pid, signal.SIGHUP)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    directory = tmp_path_factory.mktemp("tls")
    pair = make_pair(directory)
    settings = {**pair.settings(), "STATNIVE_SERVER_HSTS_S": "31536000"}
    with Secured(directory / "data", settings=settings) as node:
        node.pair = pair
        added = statnive("site", "add", "example.com", "--timezone", NOON_ZONE, data_dir=node.data_dir)
        assert added.returncode == 0, added.stderr
        yield node


def until(done: Callable[[], bool]) -> None:
    """A condition that the node brings about in its own time."""
    deadline = time.monotonic() + TIMEOUT_S
    while not done():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


EVENT = {"n": "pageview", "u": "https://example.com/tls"}
HEADERS = {"user-agent": BROWSER}


@pytest.mark.parametrize(("alpn", "version"), [(("h2", "http/1.1"), "HTTP/2"), (("http/1.1",), "HTTP/1.1")])
def test_events_and_pages_go_over_one_kept_connection(
    server: Secured, alpn: tuple[str, ...], version: str
) -> None:
    before = server.metrics()["tls_connections_total"]
    with server.client(*alpn) as client:
        for _ in range(3):
            answer = client.post("/api/event", json=EVENT, headers=HEADERS)
            assert (answer.status_code, answer.http_version) == (202, version)
            assert answer.headers.get("connection") != "close"
        script = client.get("/tracker.js")
        assert script.status_code == 200
    assert server.metrics()["tls_connections_total"] == before + 1


def test_strict_transport_security_is_said_over_tls_and_behind_a_trusted_proxy_only(server: Secured) -> None:
    wanted = "max-age=31536000"
    with server.client() as client:
        assert client.get("/").headers["strict-transport-security"] == wanted
    plain = httpx.get(server.url, timeout=TIMEOUT_S)
    assert "strict-transport-security" not in plain.headers
    proxied = httpx.get(server.url, headers={"x-forwarded-proto": "https"}, timeout=TIMEOUT_S)
    assert proxied.headers["strict-transport-security"] == wanted


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_versions_of_today_are_spoken(server: Secured, version: ssl.TLSVersion) -> None:
    context = server.pair.client()
    context.minimum_version = context.maximum_version = version
    assert httpx.get(f"{server.secure_url}/healthz", verify=context, timeout=TIMEOUT_S).status_code == 200


def test_a_weak_cipher_and_plain_http_get_no_answer_and_hurt_nobody(server: Secured) -> None:
    failed = server.metrics()["tls_handshakes_failed_total"]
    context = server.pair.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA@SECLEVEL=0")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.secure_url}/healthz", verify=context, timeout=TIMEOUT_S)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(server.secure_url.replace("https", "http"), timeout=TIMEOUT_S)
    until(lambda: server.metrics()["tls_handshakes_failed_total"] == failed + 2)
    with server.client("h2") as client:
        assert client.get("/healthz").status_code == 200


def test_a_new_pair_is_served_without_a_restart_and_a_broken_one_is_not(server: Secured) -> None:
    """In one go, since it changes the files that the others trust."""
    old, directory = server.subject(), server.pair.key.parent
    with server.client("h2") as kept:
        assert kept.get("/healthz").status_code == 200
        fresh = make_pair(directory, "fresh")
        fresh.key.replace(server.pair.key)  # the key first: for a while they are no pair
        server.reload()
        until(lambda: server.metrics()["tls_certificate_kept_total"] >= 1)
        assert server.subject() == old
        fresh.certificate.replace(server.pair.certificate)
        until(lambda: server.subject() != old)  # by itself: nobody asks for it
        assert kept.get("/healthz").status_code == 200  # an open connection goes on
    new = server.subject()
    server.pair.certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\nMIIB")
    refused = server.metrics()["tls_certificate_kept_total"]
    server.reload()
    until(lambda: server.metrics()["tls_certificate_kept_total"] > refused)
    assert server.subject() == new
    said = [json.loads(line) for line in (server.data_dir / "audit.log").read_text().splitlines()]
    texts = [line["text"] for line in said if line["kind"] == "tls_certificate_kept"]
    assert "tls.key does not belong to the certificate" in texts[0]
    assert "stays in use" in texts[-1]
    assert any("tls_certificate_kept" in line and "ERROR" in line for line in server.output)


def test_a_start_with_a_key_that_others_can_read_is_refused_by_name(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    pair.key.chmod(0o644)
    done = statnive("serve", "--listen", "127.0.0.1:0", data_dir=tmp_path / "data", settings=pair.settings())
    assert done.returncode == 5
    assert "tls.key has mode 644" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()  # refused before anything was made
