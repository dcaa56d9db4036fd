"""The source tables: keys, precedence, the operator's own file, and that tools derive what is committed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from statnive.errors import BrokenInput
from statnive.ingest.channel import KINDS
from statnive.ingest.referrer import SourceClassifier
from statnive.ingest.source_table import NO_SITE, Site, SourceTable
from statnive.ingest.tables import HERE, read_rows

ROOT = Path(__file__).parents[2]
LISTS = ROOT.parent / "shared" / "data" / "referrers"


@pytest.fixture(scope="module")
def table() -> SourceTable:
    return SourceTable()


def test_search_engines_are_known_in_every_country(table: SourceTable) -> None:
    for host in ("google.ca", "www.google.co.uk", "google.com.au", "www.google.de", "google.cat"):
        assert table.site(host, "/") == Site("Google", "search")
    assert table.site("yandex.kz", "/") == Site("Yandex", "search")


def test_a_brand_in_another_domain_is_not_the_brand(table: SourceTable) -> None:
    for host in (
        "google.evil.example",
        "google.com.evil.net",
        "notgoogle.com",
        "google.xyz",
        "google.co.uk.evil.de",
    ):
        assert table.site(host, "/") == NO_SITE


def test_search_engines_lend_their_kind_only_to_neutral_subdomains(table: SourceTable) -> None:
    assert table.site("m.yandex.ru", "/").kind == "search"
    assert table.site("cn.bing.com", "/").kind == "search"
    assert table.site("careers.google.com", "/") == NO_SITE
    assert table.site("mail.google.com", "/").kind == "email"


def test_other_kinds_count_for_every_subdomain(table: SourceTable) -> None:
    assert table.site("l.facebook.com", "/").name == "Facebook"
    assert table.site("a.b.c.tumblr.com", "/").name == "Tumblr"


def test_paths_are_more_specific_than_hosts(table: SourceTable) -> None:
    assert table.site("x.com", "/i/grok/1") == Site("Grok", "ai")
    assert table.site("www.google.de", "/shopping/x") == Site("Google Shopping", "shopping")
    assert table.site("x.com", "/i") == Site("Twitter", "social")


def test_tags_are_known_by_short_names_and_with_ad_words(table: SourceTable) -> None:
    for tag in ("fb", "Facebook", "facebook_ads", "facebook-paid", "FACEBOOK ADS", "facebook.cpc"):
        assert table.tag(tag).name == "Facebook"
    assert table.tag("Hacker News").name == "Hacker News"
    assert table.tag("spring") == NO_SITE
    assert table.tag("ads") == NO_SITE


def test_an_operators_table_extends_and_overrides(tmp_path: Path) -> None:
    file = tmp_path / "sources.tsv"
    file.write_text(
        "# mine\nintranet.example\tIntranet\treferral\ngoogle.com\tGoogle US\tsearch\n"
        "tag:fb\tForeign Books\treferral\napp:com.mine.app\tOur app\tsocial\n"
        "bücher.example\tBücher\tshopping\n*.partner.example\tPartner\tvideo\n",
        encoding="utf-8",
    )
    classifier = SourceClassifier(file)

    def told(referrer: str, query: str = "") -> tuple[str, str]:
        found = classifier.classify(referrer, query, frozenset())
        assert found is not None
        return found.referrer_name, found.channel

    assert told("https://intranet.example/x") == ("Intranet", "Referral")
    assert told("https://www.google.com/") == ("Google US", "Organic Search")
    assert told("https://www.google.de/") == ("Google", "Organic Search")
    assert told("", "utm_source=fb") == ("Foreign Books", "Referral")
    assert told("android-app://com.mine.app/") == ("Our app", "Organic Social")
    assert told("https://xn--bcher-kva.example/") == ("Bücher", "Organic Shopping")
    assert told("https://a.partner.example/") == ("Partner", "Organic Video")
    assert told("https://partner.example/") == ("partner.example", "Referral")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("example.com\tExample", "line 2: must have 3 fields"),
        ("example.com\tExample\tnews", "line 2: kind 'news' must be one of"),
        ("exa mple.com\tExample\tsocial", "line 2: 'exa mple.com' is not a host"),
        ("https://example.com\tExample\tsocial", "line 2: 'https://example.com' is not a host"),
        ("example.com\t" + "x" * 200 + "\tsocial", "line 2: the name"),
        ("example.com\t\tsocial", "line 2: must have 3 fields"),
    ],
)
def test_a_wrong_line_is_refused_by_file_and_number(tmp_path: Path, line: str, reason: str) -> None:
    file = tmp_path / "mine.tsv"
    file.write_text(f"# mine\n{line}\n", encoding="utf-8")
    with pytest.raises(BrokenInput, match=rf"mine\.tsv: {reason}"):
        SourceTable(file)


@pytest.mark.parametrize("name", ["sources.tsv", "spammers.txt", "bots.tsv"])
def test_derived_tables_name_source_licence_and_tool(name: str) -> None:
    head = (HERE / name).read_text(encoding="utf-8")[:1_000]
    assert "# Source: https://" in head or ", https://" in head
    assert "# Licence: " in head
    assert "Derived by tools/" in head


def test_kinds_of_all_tables_are_known() -> None:
    for name in ("sources.tsv", "sources_more.tsv"):
        assert {fields[2] for _, fields in read_rows(HERE / name, 3)} <= KINDS


def test_committed_source_tables_are_what_the_tool_derives(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "tools" / "derive_referrers.py", "--lists", LISTS, "--out", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    for name in ("sources.tsv", "spammers.txt"):
        assert (tmp_path / name).read_text("utf-8") == (HERE / name).read_text("utf-8")


@pytest.mark.parametrize("tool", ["derive_referrers.py", "derive_bots.py"])
def test_tools_explain_themselves(tool: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / tool, "--help"], check=True, capture_output=True, text=True
    )
    assert "usage:" in done.stdout
    assert "--out" in done.stdout
