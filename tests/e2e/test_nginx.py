"""Behind nginx with a pool of kept-alive connections that mixes dashboard requests into the events."""

from __future__ import annotations

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec

from chaos.service.ports import unused_port
from tests.e2e.server import BROWSER, TIMEOUT_S, Server, statnive

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


DEADLINE_S = 60.0


def start(nginx: str, directory: Path, node: str) -> tuple[subprocess.Popen[bytes], int]:
    """nginx in front of the node, and its port: another one when somebody has taken it meanwhile."""
    file, pid_file = directory / "nginx.conf", directory / "nginx.pid"
    deadline = time.monotonic() + DEADLINE_S
    while True:
        port = unused_port()
        file.write_text(CONFIGURATION.format(directory=directory, node=node, port=port))
        proxy = subprocess.Popen([nginx, "-c", str(file), "-p", str(directory)])
        while proxy.poll() is None:
            if pid_file.exists() and pid_file.read_text().strip():  # written once it listens
                return proxy, port
            if time.monotonic() > deadline:
                proxy.kill()
                proxy.wait()
            time.sleep(0.05)
        assert time.monotonic() < deadline, "nginx did not start"


def test_99_percent_of_events_stay_on_the_fast_lane(tmp_path: Path) -> None:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    assert nginx, "nginx is missing: apt-get install nginx-light"
    statnive("site", "add", SITE, data_dir=tmp_path / "data")
    with Server(tmp_path / "data") as server:
        proxy, port = start(nginx, tmp_path, server.url.removeprefix("http://"))
        try:
            body = msgspec.json.encode({"n": "pageview", "u": f"https://{SITE}/"})

            def visitor(number: int) -> list[int]:
                statuses = []
                with httpx.Client(
                    base_url=f"http://127.0.0.1:{port}", headers={"user-agent": BROWSER}, timeout=TIMEOUT_S
                ) as client:
                    for _ in range(50):
                        headers = {"x-forwarded-for": f"198.18.0.{number}"}
                        statuses.append(client.post("/api/event", content=body, headers=headers).status_code)
                    # The dashboard is asked through the same pool of connections.
                    client.get("/api/sites")
                return statuses

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
            proxy.wait(60)
