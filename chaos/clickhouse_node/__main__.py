"""`python -m chaos.clickhouse_node`: ClickHouse's HTTP interface, from chDB, with faults on a second port."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import click
import trio

from chaos.clickhouse_node.engine import Engine, OpenError
from chaos.clickhouse_node.faults import Fault
from chaos.clickhouse_node.protocol import Login
from chaos.clickhouse_node.server import KEEP_ALIVE_S, Node
from chaos.service.control import control_handler
from chaos.service.httpd import Httpd, Limits
from chaos.service.process import PARENT_OPTION, announce, end_with_parent
from chaos.service.values import read_value

EXAMPLES = """\b
Examples:
  python -m chaos.clickhouse_node --path /tmp/engine --port 8123 --control-port 8124
  curl 'http://127.0.0.1:8123/?query=SELECT+1'
  curl -X PUT http://127.0.0.1:8124/faults -d '[{"matching": "events_raw", "close": "after", "times": 1}]'
  curl -X POST http://127.0.0.1:8124/traps -d '"statnive.daily_pages"'; curl -X DELETE
  http://127.0.0.1:8124/traps curl http://127.0.0.1:8124/counters """


@click.command(epilog=EXAMPLES, context_settings={"max_content_width": 110, "show_default": True})
@click.option("--path", type=click.Path(path_type=Path), required=True, help="The engine's directory.")
@click.option("--host", default="127.0.0.1", help="Address of both ports.")
@click.option("--port", default=8123, help="ClickHouse's HTTP port; 0 for a free one.")
@click.option("--control-port", default=0, help="Port for faults and counters; 0 for a free one.")
@click.option("--user", default="default", help="The only user, if there is a password.")
@click.option("--password", default="", envvar="CHAOS_CLICKHOUSE_PASSWORD", help="Without one everybody may.")
@click.option("--memory-bytes-max", default=1024**3, help="Limit of the engine's memory.")
@click.option("--threads", default=16, help="Statements at the same time; more wait.")
@click.option("--faults", default="[]", metavar="JSON", help="Faults from the start.")
@click.option("--seed", default=0, help="For faults that hit a share of the statements.")
@click.option(PARENT_OPTION, is_flag=True, help="End when stdin ends.")
def main(
    path: Path,
    host: str,
    port: int,
    control_port: int,
    user: str,
    password: str,
    memory_bytes_max: int,
    threads: int,
    faults: str,
    seed: int,
    end_with_parent: bool,
) -> None:
    """A ClickHouse to break. Says one line of JSON when it is ready: pid, port, control_port."""
    limits = Limits(idle_s=KEEP_ALIVE_S + 1)
    try:
        wrong = read_value(json.loads(faults), list[Fault])
        engine = Engine(path, memory_bytes_max)
    except (OpenError, ValueError) as error:
        sys.exit(f"clickhouse_node: {error}")
    node = Node(engine, Login(user, password), threads=threads, limits=limits, seed=seed)
    node.faults.set(wrong)
    try:
        trio.run(_serve, node, limits, (host, port), (host, control_port), end_with_parent)
    except OSError as error:
        sys.exit(f"clickhouse_node: port {port} or {control_port}: {error.strerror}")
    finally:
        engine.close()


async def _serve(
    node: Node, limits: Limits, at: tuple[str, int], control_at: tuple[str, int], watch_parent: bool
) -> None:
    """Both ports until SIGTERM or SIGINT. Raises OSError when a port is taken."""
    service, control = Httpd(node.handle, limits), Httpd(control_handler(node.actions()))
    ports = {"port": await service.listen(*at), "control_port": await control.listen(*control_at)}
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as watch:
            if watch_parent:
                watch.start_soon(end_with_parent)
            async with trio.open_nursery() as serving:
                serving.start_soon(service.run)
                serving.start_soon(control.run)
                announce(**ports)
                await anext(signals)
                service.stop()
                control.stop()
            watch.cancel_scope.cancel()


if __name__ == "__main__":
    main()
