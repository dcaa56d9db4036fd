"""The engine settings that every statement is sent with. Defaults change between versions, so none is relied
on.
"""

from __future__ import annotations

import math
from typing import Final

from statnive.config import MIB, ClickHouseConfig

BLOCK_ROWS_LIMIT: Final = 1_048_449
RESULT_ROWS_MAX: Final = 20_000
READ_ROWS_MAX: Final = 200_000_000
MARK_CACHE_BYTES: Final = 64 * MIB

# Without each of these an insert is not exactly once; a server that lacks one is too old.
INSERT_SETTINGS: Final[dict[str, str]] = {
    "async_insert": "0",  # 1 by default since 26.2: an answer before the rows are in a part
    "insert_deduplicate": "1",
    "deduplicate_blocks_in_dependent_materialized_views": "1",  # 0: a retry doubles the rollups
    "materialized_views_ignore_errors": "0",  # 1: a rollup may miss what raw has
    "parallel_view_processing": "0",
    "max_insert_threads": "1",
    # One payload, one block, one part for each table and partition: what a token stands for.
    "max_insert_block_size": str(BLOCK_ROWS_LIMIT),
    "min_insert_block_size_rows": str(BLOCK_ROWS_LIMIT),
    "min_insert_block_size_bytes": "0",
    "input_format_parallel_parsing": "0",
    # A server's profile may allow both: rows left out in silence, and a block of old months refused for ever.
    "input_format_allow_errors_num": "0",
    "input_format_allow_errors_ratio": "0",
    "max_partitions_per_insert_block": "0",
}
# An INSERT SELECT into a table of the repair: one block, one part, and no memory of what was in such a table
# before. A group by that does not fit in memory goes on on the disk.
COPY_SETTINGS: Final[dict[str, str]] = {
    "async_insert": "0",
    "insert_deduplicate": "0",
    "max_insert_threads": "1",
    "max_threads": "1",
    "max_insert_block_size": str(BLOCK_ROWS_LIMIT),
    "min_insert_block_size_rows": str(BLOCK_ROWS_LIMIT),
    "min_insert_block_size_bytes": "0",
    "max_bytes_before_external_group_by": str(512 * MIB),
    "max_partitions_per_insert_block": "0",
}
# Known to some versions only.
INSERT_SETTINGS_IF_KNOWN: Final[dict[str, str]] = {
    "deduplicate_insert": "enable",
    "max_insert_block_size_bytes": "0",
    "min_insert_block_size_rows_for_materialized_views": "0",
    "min_insert_block_size_bytes_for_materialized_views": "0",
    "distributed_foreground_insert": "1",  # on a cluster: not through a shard's queue of its own
}


def reader_settings(config: ClickHouseConfig) -> dict[str, str]:
    """Limits of each reading statement; `readonly` comes last, after it nothing can be changed."""
    settings = {
        "max_execution_time": str(math.ceil(config.query_deadline_s)),
        "timeout_overflow_mode": "throw",
        "max_memory_usage": str(max(64 * MIB, config.memory_bytes_max // (2 * config.query_threads))),
        "max_result_rows": str(RESULT_ROWS_MAX),
        "result_overflow_mode": "throw",
        "max_rows_to_read": str(READ_ROWS_MAX),
        "read_overflow_mode": "throw",
    }
    if config.url == "embedded":
        settings["max_threads"] = "1"  # readers share the machine with ingest
    settings["readonly"] = "1"
    return settings


def embedded_config(config: ClickHouseConfig) -> str:
    """The engine's own configuration file. Without it chDB takes 0.9 of the host's memory, whatever a cgroup
    says.

    No `backups` entry: without an allowed path the engine writes no backup anywhere. No statistics of columns in each
    part: nothing here is planned by them, and they were a third of a small rollup's part (6.4 of 21 KB).
    """
    return (
        "<clickhouse>\n"
        f"  <max_server_memory_usage>{config.memory_bytes_max}</max_server_memory_usage>\n"
        f"  <mark_cache_size>{MARK_CACHE_BYTES}</mark_cache_size>\n"
        "  <uncompressed_cache_size>0</uncompressed_cache_size>\n"
        "  <merge_tree><auto_statistics_types></auto_statistics_types></merge_tree>\n"
        "  <send_crash_reports><enabled>false</enabled></send_crash_reports>\n"
        "</clickhouse>\n"
    )
