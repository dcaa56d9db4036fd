"""Samples of the event loop are put down to what was running."""

from __future__ import annotations

from chaos.bench.loop_profile import INTERPRETER, KERNEL, OTHERS, by_purpose


def test_each_sample_goes_to_the_library_that_ran() -> None:
    found = by_purpose(
        [
            "/usr/bin/python3.11)",
            "[kernel.kallsyms])",
            "/srv/.venv/httptools/parser.cpython-311-x86_64-linux-gnu.so)",
            "/usr/lib/x86_64-linux-gnu/libc.so.6)",
            "[vdso])",
            "/usr/bin/python3.11)",
        ]
    )
    assert found[INTERPRETER] == 2
    assert found[KERNEL] == 1
    assert found[OTHERS] == 1
    assert sum(found.values()) == 6
