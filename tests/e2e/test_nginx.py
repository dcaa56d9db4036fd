"""Behind nginx with a pool of kept-alive connections that mixes dashboard requests into the events."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec

from tests.e2e.server import BROWSER, Server, statnive

SITE = "proxied.example"
CONFIGURATION = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  upstream node {{ server {node}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://node; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "nginx did not start"
            time.sleep(0.05)


def test_99_percent_of_events_stay_on_the_fast_lane(tmp_path: Path) -> None:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    assert nginx, "nginx is missing: apt-get install nginx-light"
    statnive("site", "add", SITE, data_dir=tmp_path / "data")
    with Server(tmp_path / "data") as server:
        port = free_port()
        file = tmp_path / "nginx.conf"
        node = server.url.removeprefix("http://")
        file.write_text(CONFIGURATION.format(directory=tmp_path, node=node, port=port))
        proxy = subprocess.Popen([nginx, "-c", str(file), "-p", str(tmp_path)])
        try:
            body = msgspec.json.encode({"n": "pageview", "u": f"https://{SITE}/"})

            def visitor(number: int) -> list[int]:
                statuses = []
                with httpx.Client(
                    base_url=f"http://127.0.0.1:{port}", headers={"user-agent": BROWSER}
                ) as client:
                    for _ in range(50):
                        headers = {"x-forwarded-for": f"198.18.0.{number}"}
                        statuses.append(client.post("/api/event", content=body, headers=headers).status_code)
                    # The dashboard is asked through the same pool of connections.
                    client.get("/api/sites")
                return statuses

            wait_for(port)
            with ThreadPoolExecutor(8) as pool:
                statuses = [status for found in pool.map(visitor, range(40)) for status in found]
            assert set(statuses) == {202}
            figures = server.metrics()
            fast, slow = figures["acceptor_fast_events_total"], figures["slow_events_total"]
            assert fast + slow == len(statuses) == 2_000
            assert fast / len(statuses) >= 0.99
            assert figures["acceptor_handed_over_total"] >= 40
        finally:
            proxy.terminate()
            proxy.wait(10)
