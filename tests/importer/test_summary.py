"""The summary: every line in exactly one count, and a table that says so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from statnive.importer.combined_log import LogEntry, Skip
from statnive.importer.page_views import SKIP_WORDS, SkipReason
from statnive.importer.summary import ImportSummary

DAY_S = 86_400
START_S = 1_431_857_103  # 2015-05-17 10:05:03 UTC


def page_view(time_s: int) -> LogEntry:
    return LogEntry("192.0.2.1", time_s, "GET", "/", 200, "", "agent")


def test_table_shows_each_count_once_and_adds_up() -> None:
    summary = ImportSummary("access.log")
    for day in (1, 0, 3):
        summary.count(page_view(START_S + day * DAY_S))
    for reason in [SkipReason.STATIC_FILE] * 1200 + [SkipReason.GARBAGE] * 4 + [SkipReason.STATUS]:
        summary.count(Skip(reason))
    summary.answered(page_views=1, days={"2015-05-17": 1})
    summary.answered(bots=1, dropped={"referrer_spam": 1})
    assert summary.unanswered == 0
    assert summary.render() == (
        "access.log: 2015-05-17 10:05:03 to 2015-05-20 10:05:03 UTC\n"
        "  lines                                                         1,208\n"
        "  page views recorded                                               1  on 2015-05-17\n"
        "  bots, kept out of the numbers                                     1\n"
        "  page views refused                                                1\n"
        "    referrer_spam                                                   1\n"
        "  lines left out                                                1,205\n"
        "    static files (styles, scripts, images, fonts, media)        1,200\n"
        "    answers other than 200 and 304 (redirects, errors, pieces)      1\n"
        "    broken lines (not the combined format)                          4"
        "  access.log:1204, access.log:1205, access.log:1206\n"
    )


def test_import_that_ends_early_says_how_many_page_views_have_no_answer() -> None:
    summary = ImportSummary("access.log")
    for n in range(5):
        summary.count(page_view(START_S + n))
    summary.answered(page_views=2, days={"2015-05-17": 1, "2015-05-18": 1})
    assert summary.unanswered == 3
    assert "page views without an answer (the import ended early)  3" in summary.render()
    assert (
        "page views recorded                                    2  on 2 days, 2015-05-17 to 2015-05-18"
        in (summary.render())
    )


def test_log_without_page_views_says_so() -> None:
    assert ImportSummary("empty.log").render().startswith("empty.log: no page views\n  lines ")


parsed_lines = st.lists(
    st.one_of(
        st.integers(0, 2**32 - 1).map(page_view),
        st.sampled_from(SkipReason).map(Skip),
    ),
    max_size=40,
)


@given(parsed_lines, parsed_lines, st.data())
def test_merged_summaries_count_as_one_would(
    first: list[LogEntry | Skip], second: list[LogEntry | Skip], data: st.DataObject
) -> None:
    whole = ImportSummary("a, b")
    parts = [ImportSummary("a"), ImportSummary("b")]
    for part, lines in zip(parts, (first, second), strict=True):
        for line in lines:
            part.count(line)
            whole.count(line)
        views = sum(isinstance(line, LogEntry) for line in lines)
        recorded = data.draw(st.integers(0, views))
        days = {data.draw(st.sampled_from(["2015-05-17", "2015-05-18"])): 1}
        part.answered(page_views=recorded, days=days)
        whole.answered(page_views=recorded, days=days)
        assert part.unanswered == views - recorded
    parts[0].merge(parts[1])
    merged = parts[0]
    for field in ("source", "lines", "page_views", "skipped", "days", "first_s", "last_s", "unanswered"):
        assert getattr(merged, field) == getattr(whole, field), field
    for reason in (SkipReason.GARBAGE, SkipReason.TOO_LONG):
        places = merged.examples.get(reason, [])
        assert len(places) == min(3, len([line for line in first + second if line == Skip(reason)]))
        assert (SKIP_WORDS[reason] in merged.render()) == bool(places)
