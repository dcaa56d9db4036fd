"""A ClickHouse to break: its HTTP interface, served from chDB in a process of its own.

    with ClickHouseNode(tmp_path) as node:
        node.start()
        connect(ClickHouseConfig(url=node.url), …)          # the product's own client, or any other
        node.set_faults([Fault(matching="events_raw", close="after", times=1)])
        node.kill(); node.start()                             # the same port, the same data
        node.stop(); node.resume(); node.fill(); node.free()

`python -m chaos.clickhouse_node --help` is the command. What a server has and this has not: users and rights
(one optional password), sessions, ON CLUSTER and replicas, the native protocol's compression, external
tables, answers that begin before the statement has ended. Everything else is the engine's: parts, dedup logs,
views, errors."""

from chaos.clickhouse_node.faults import Fault
from chaos.clickhouse_node.node import ClickHouseNode

__all__ = ["ClickHouseNode", "Fault"]
