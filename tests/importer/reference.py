"""An independent count of a combined log: what an import must give, worked out another way.

It shares no code with statnive: lines are taken apart at their quotes with str.split, times are read by
strptime, and pages are told by what they look like (an allow-list of endings), where the product lists what
is no page. Slow and plain on purpose. Used here and by the end-to-end test of `statnive import log`:

    expected = reference_counts(path, accept=lambda ip, agent, target, method, status: not is_bot(agent))
    expected[date(2015, 5, 18)].page_views; expected[date(2015, 5, 18)].visitors
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import NamedTuple

SAMPLE_LOG = Path(__file__).parents[2] / ".." / "shared" / "data" / "logs" / "apache_combined_2015.log"

# (ip, user agent, target, method, status) -> whether the line counts
Accept = Callable[[str, str, str, str, int], bool]

PAGE_ENDINGS = {
    "html",
    "xhtml",
    "htm",
    "shtml",
    "php",
    "asp",
    "aspx",
    "jsp",
    "cgi",
    "pl",
    "py",
    "rb",
    "markdown",
}
# Other last parts with a dot that are pages of the sample's site: directories and odd files served as text.
ODD_PAGES = (
    "semicomplete.com.access",
    "i3-3",
    "newpsm",
    ".mk",
    ".m4",
    ".xs",
    ".3",
    ".threads",
    ".Jan05",
    ".no-pkg-config",
    ".html%20target=",
)


class Line(NamedTuple):
    """One readable line of the log."""

    number: int  # the first line is 1
    time: datetime  # with the line's own offset
    ip: str
    method: str
    target: str
    status: int
    referrer: str
    agent: str


class DayCount(NamedTuple):
    """One day: page views, and distinct (ip, user agent)."""

    page_views: int
    visitors: int


def read_lines(path: Path) -> Iterator[Line]:
    """Every line that has all fields; the others are left out."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for number, text in enumerate(file, 1):
            fields = text.rstrip("\n").replace('\\"', "\ue000").split('"')
            if len(fields) != 7:  # head, request, " status bytes ", referrer, " ", agent, ""
                continue
            request = fields[1].split(" ")
            if len(request) < 3:
                continue
            head = fields[0]
            stamp = head[head.index("[") + 1 : head.index("]")]
            yield Line(
                number=number,
                time=datetime.strptime(stamp, "%d/%b/%Y:%H:%M:%S %z"),
                ip=head.split(" ")[0],
                method=request[0],
                target=unescaped(" ".join(request[1:-1])),
                status=int(fields[2].split()[0]),
                referrer=unescaped(fields[3]),
                agent=unescaped(fields[5]),
            )


def unescaped(text: str) -> str:
    r"""`text` without the escapes of the server: \", \\ and \xhh, whose bytes are UTF-8 or else Latin-1."""
    text = text.replace("\ue000", '"')
    if "\\" not in text:
        return text
    raw = text.encode().decode("unicode_escape").encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def is_page_view(ip: str, agent: str, target: str, method: str, status: int) -> bool:
    """Whether a browser asked for a page and got one, or had a copy that was still good."""
    if method != "GET" or status not in (200, 304) or agent in ("", "-"):
        return False
    path, _, query = target.partition("?")
    if any(argument in ("flav=rss20", "flav=atom") for argument in query.split("&")):
        return False
    last = path.split("/")[-1]
    return "." not in last or last.split(".")[-1].lower() in PAGE_ENDINGS or last.endswith(ODD_PAGES)


def everything(ip: str, agent: str, target: str, method: str, status: int) -> bool:
    """Accept every page view, bots too."""
    return True


def reference_counts(path: Path, accept: Accept = everything, zone: tzinfo = UTC) -> dict[date, DayCount]:
    """The page views and visitors of each day of `zone`, over the page views that `accept` takes."""
    page_views: dict[date, int] = {}
    visitors: dict[date, set[tuple[str, str]]] = {}
    for line in read_lines(path):
        arguments = (line.ip, line.agent, line.target, line.method, line.status)
        if is_page_view(*arguments) and accept(*arguments):
            day = line.time.astimezone(zone).date()
            page_views[day] = page_views.get(day, 0) + 1
            visitors.setdefault(day, set()).add((line.ip, line.agent))
    return {day: DayCount(page_views[day], len(visitors[day])) for day in sorted(page_views)}
