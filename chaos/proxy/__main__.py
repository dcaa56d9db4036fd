"""`python -m chaos.proxy`: the fault proxy, with its switches on a second port."""

from __future__ import annotations

import json
import signal
import sys
from typing import Any, get_args

import attrs
import click
import trio

from chaos.proxy.faults import Faults
from chaos.proxy.proxy import During, Proxy, Side
from chaos.service.control import Action, control_handler
from chaos.service.httpd import Httpd
from chaos.service.process import PARENT_OPTION, announce, end_with_parent
from chaos.service.values import read_value, write_value

EXAMPLES = """\b
Examples:
  python -m chaos.proxy --listen 127.0.0.1:9000 --to 127.0.0.1:8123 --control 127.0.0.1:9001
  curl -X PUT http://127.0.0.1:9001/faults -d '{"up": {"latency_ms": 150, "jitter_ms": 75, "loss": 0.02}}'
  curl -X PUT http://127.0.0.1:9001/faults -d '{"up": {"hold": true}, "connects": "unanswered"}'
  curl -X PUT http://127.0.0.1:9001/faults -d '{}'
  curl -X POST http://127.0.0.1:9001/reset -d '{"share": 0.2, "during": "answer"}'
  curl -X POST http://127.0.0.1:9001/vanish -d '{"side": "server"}'
  curl http://127.0.0.1:9001/counters
"""

Address = tuple[str, int]


def _address(_: click.Context, __: click.Parameter, text: str) -> Address:
    host, _colon, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise click.BadParameter("must be HOST:PORT")
    return host.strip("[]"), int(port)


@click.command(epilog=EXAMPLES, context_settings={"max_content_width": 110, "show_default": True})
@click.option(
    "--listen", callback=_address, default="127.0.0.1:0", help="Where clients come; port 0: a free one."
)
@click.option("--to", callback=_address, required=True, help="The server behind it.")
@click.option("--control", callback=_address, default="127.0.0.1:0", help="Where faults are switched.")
@click.option("--seed", default=0, help="For all that is random.")
@click.option("--faults", default="{}", metavar="JSON", help="Faults from the start.")
@click.option(PARENT_OPTION, is_flag=True, help="End when stdin ends.")
def main(
    listen: Address, to: Address, control: Address, seed: int, faults: str, end_with_parent: bool
) -> None:
    """A network to break. Says one line of JSON when it is ready: pid, port, control_port."""
    try:
        wrong = read_value(json.loads(faults), Faults)
    except ValueError as error:
        sys.exit(f"proxy: {error}")
    proxy = Proxy(to, seed=seed, faults=wrong)
    try:
        trio.run(_serve, proxy, listen, control, end_with_parent)
    except OSError as error:
        sys.exit(f"proxy: port {listen[1]} or {control[1]}: {error.strerror}")


async def _serve(proxy: Proxy, at: Address, control_at: Address, watch_parent: bool) -> None:
    """Until SIGTERM or SIGINT. Raises OSError when a port is taken."""
    control = Httpd(control_handler(_actions(proxy)))
    control_port = await control.listen(*control_at)
    proxy.listen(*at)
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(proxy.run)
            nursery.start_soon(control.run)
            if watch_parent:
                nursery.start_soon(end_with_parent)
            announce(port=proxy.port, control_port=control_port)
            await anext(signals)
            nursery.cancel_scope.cancel()


def _actions(proxy: Proxy) -> dict[tuple[str, str], Action]:
    async def get_faults(_: Any) -> Any:
        return write_value(proxy.faults)

    async def put_faults(value: Any) -> Any:
        try:
            proxy.set(read_value(value, Faults))
        except OSError as error:
            raise ValueError(f"port {proxy.port}: {error.strerror}") from error
        return write_value(proxy.faults)

    async def post_reset(value: Any) -> Any:
        return proxy.reset(_share(value), _one_of(get_args(During), value.get("during", "now")))

    async def post_vanish(value: Any) -> Any:
        return proxy.vanish(_one_of(get_args(Side), value.get("side")), _share(value))

    async def get_counters(_: Any) -> Any:
        return attrs.asdict(proxy.counters)

    return {
        ("GET", "/faults"): get_faults,
        ("PUT", "/faults"): put_faults,
        ("POST", "/reset"): post_reset,
        ("POST", "/vanish"): post_vanish,
        ("GET", "/counters"): get_counters,
    }


def _share(value: Any) -> float:
    share = float(value.get("share", 1))
    if not 0 <= share <= 1:
        raise ValueError("share must be 0 to 1")
    return share


def _one_of(allowed: tuple[str, ...], value: Any) -> Any:
    if value not in allowed:
        raise ValueError(f"{value!r} must be one of {', '.join(allowed)}")
    return value


if __name__ == "__main__":
    main()
