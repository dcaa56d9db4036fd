"""What the ClickHouse node and the fault proxy have in common: a process, its ports and how a scenario holds
it.
"""
