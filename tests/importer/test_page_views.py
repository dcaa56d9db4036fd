"""Which requests count as page views, by their target."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statnive.importer.page_views import SKIP_WORDS, SkipReason, no_page_view


def judged(target: str) -> SkipReason | None:
    return no_page_view(b"GET", b"200", target.encode())


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "//",
        "/blog",
        "/blog/",
        "/blog/post.html",
        "/index.php?page=2",
        "/Default.aspx",
        "/cgi-bin/app.pl",
        "/docs/release-1.2",
        "/docs/2.0.3/",
        "/node.js/",  # a directory
        "/?file=a.png",
        "/search?q=rss",
        "/search?q=feed=rss",
        "/about#logo.png",
        "/feeds",
        "/newsfeed/",
        "/atom/",
        "/.hidden/page",
        "/caf\xe9",
        "/page;jsessionid=A.png",
        "/?type=rssi",
    ],
)
def test_page_is_a_page_view(target: str) -> None:
    assert judged(target) is None


@pytest.mark.parametrize(
    ("reason", "targets"),
    [
        (
            SkipReason.STATIC_FILE,
            "/a.css /b/app.min.js /favicon.ico /LOGO.PNG /f.woff2 /v.mp4?t=3 /x.svg?v=1#a /i.jpg;i=1 /i.gif#",
        ),
        (SkipReason.DOWNLOAD, "/a.zip /a.tar.gz /paper.PDF /notes.txt /setup.exe /src/main.c /x.jar?dl=1"),
        (
            SkipReason.FEED,
            "/index.xml /sitemap.xml /news.rss /a.atom /feed /blog/feed/ /feed/atom/ /comments/feed /rss "
            "/?feed=rss2 /?flav=rss20 /a?x=1&flav=atom /index.php?format=RSS&n=5 /index.php?a=b&type=atom1.0",
        ),
        (
            SkipReason.MACHINE,
            "/robots.txt /ads.txt /.well-known/security.txt /.well-known/openid /api/v1.json /my.webmanifest "
            "/wp-json/wp/v2/posts /wp-admin/admin-ajax.php?action=x /wp-cron.php?x /browserconfig.xml",
        ),
    ],
)
def test_file_feed_and_machine_are_told_apart(reason: SkipReason, targets: str) -> None:
    assert {target: judged(target) for target in targets.split()} == dict.fromkeys(targets.split(), reason)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_query_never_makes_a_page_a_file(path: bytes, query: bytes) -> None:
    target = b"/" + path.replace(b"?", b"") + b"?" + query
    alone = no_page_view(b"GET", b"200", target.partition(b"?")[0])
    assert no_page_view(b"GET", b"200", target) in (alone, SkipReason.FEED)


def test_every_reason_has_words() -> None:
    assert set(SKIP_WORDS) == set(SkipReason)
    assert len(set(SKIP_WORDS.values())) == len(SKIP_WORDS)
