"""What became of the lines of an import: every line is in exactly one count, and the counts add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import attrs

from statnive.importer.combined_log import LogEntry, Skip
from statnive.importer.page_views import SKIP_WORDS, SkipReason

_EXAMPLES_MAX: Final = 3
_WITH_EXAMPLES = frozenset({SkipReason.GARBAGE, SkipReason.TOO_LONG})


@attrs.define
class ImportSummary:
    """Counts of one import, or of several merged. Mutable, with one owner.

    Each line is counted when it is parsed (`count`), and a page view again when the pipeline has answered
    (`answered`); `unanswered` are those between the two: an import that ended early.
    """

    source: str
    lines: int = 0
    page_views: int = 0  # recorded, bots left out
    bots: int = 0  # recorded as bots, outside of the numbers
    # Lines that are no page views; page views that the pipeline refused, by drop reason.
    skipped: Counter[SkipReason] = attrs.field(factory=Counter)
    dropped: Counter[str] = attrs.field(factory=Counter)
    # Recorded page views by the site's local day, as "2015-05-17".
    days: Counter[str] = attrs.field(factory=Counter)
    # The earliest and the latest page view of the log, recorded or not, in seconds since the epoch.
    first_s: int | None = None
    last_s: int | None = None
    # Where the first broken lines are, as "access.log:8899".
    examples: dict[SkipReason, list[str]] = attrs.field(factory=dict)

    def count(self, parsed: LogEntry | Skip) -> None:
        """One more line, as the parser judged it. Call it for every line, in order: it numbers them."""
        self.lines += 1
        if isinstance(parsed, LogEntry):
            self._cover(parsed.time_s, parsed.time_s)
            return
        self.skipped[parsed.reason] += 1
        if parsed.reason in _WITH_EXAMPLES:
            examples = self.examples.setdefault(parsed.reason, [])
            if len(examples) < _EXAMPLES_MAX:
                examples.append(f"{self.source}:{self.lines}")

    def answered(
        self,
        *,
        page_views: int = 0,
        bots: int = 0,
        dropped: Mapping[str, int] | None = None,
        days: Mapping[str, int] | None = None,
    ) -> None:
        """What the pipeline did with page views handed to it, since the last call."""
        self.page_views += page_views
        self.bots += bots
        self.dropped.update(dropped or {})
        self.days.update(days or {})

    @property
    def unanswered(self) -> int:
        """Page views parsed, whose fate is unknown."""
        return self.lines - self.skipped.total() - self.page_views - self.bots - self.dropped.total()

    def merge(self, other: ImportSummary) -> None:
        """Take in the counts of `other`, which stays as it is."""
        self.source = f"{self.source}, {other.source}"
        self.lines += other.lines
        self.skipped.update(other.skipped)
        self.answered(page_views=other.page_views, bots=other.bots, dropped=other.dropped, days=other.days)
        if other.first_s is not None and other.last_s is not None:
            self._cover(other.first_s, other.last_s)
        for reason, places in other.examples.items():
            self.examples[reason] = (self.examples.get(reason, []) + places)[:_EXAMPLES_MAX]

    def render(self) -> str:
        """A table for a terminal, ending in a newline."""
        rows = [
            ("lines", self.lines, ""),
            ("page views recorded", self.page_views, self._days()),
            ("bots, kept out of the numbers", self.bots, ""),
        ]
        if self.dropped:
            rows.append(("page views refused", self.dropped.total(), ""))
            rows += [(f"  {reason}", number, "") for reason, number in sorted(self.dropped.items())]
        if self.unanswered:
            rows.append(("page views without an answer (the import ended early)", self.unanswered, ""))
        rows.append(("lines left out", self.skipped.total(), ""))
        rows += [
            (f"  {words}", self.skipped[reason], ", ".join(self.examples.get(reason, [])))
            for reason, words in SKIP_WORDS.items()
            if self.skipped[reason]
        ]
        width = max(len(words) for words, _, _ in rows)
        digits = max(len(f"{number:,}") for _, number, _ in rows)
        table = [f"{words:<{width}}  {number:>{digits},}  {note}".rstrip() for words, number, note in rows]
        return "\n".join([f"{self.source}: {self._period()}", *("  " + line for line in table)]) + "\n"

    def _cover(self, first_s: int, last_s: int) -> None:
        self.first_s = first_s if self.first_s is None else min(self.first_s, first_s)
        self.last_s = last_s if self.last_s is None else max(self.last_s, last_s)

    def _period(self) -> str:
        if self.first_s is None or self.last_s is None:
            return "no page views"
        first, last = (datetime.fromtimestamp(s, UTC) for s in (self.first_s, self.last_s))
        return f"{first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC"

    def _days(self) -> str:
        if not self.days:
            return ""
        first, last = min(self.days), max(self.days)
        return f"on {first}" if first == last else f"on {len(self.days)} days, {first} to {last}"
