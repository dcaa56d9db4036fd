"""Sources: referrers, tags, click ids, own hosts, spam, bounds. The labelled set is in tests/attribution."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statnive import event as limits
from statnive.ingest.channel import CHANNELS
from statnive.ingest.referrer import Source, SourceClassifier, split_referrer

OWN = frozenset({"example.com", "www.shop.example.org"})


@pytest.fixture(scope="module")
def classifier() -> SourceClassifier:
    return SourceClassifier()


def source(classifier: SourceClassifier, referrer: str = "", query: str = "") -> Source:
    found = classifier.classify(referrer, query, OWN)
    assert found is not None
    return found


def test_a_referrer_is_stored_without_query_fragment_user_port_and_www(classifier: SourceClassifier) -> None:
    found = source(classifier, "https://me:secret@www.Some-Site.net:8443/a/B/?token=1#frag")
    assert found.referrer == "some-site.net/a/B"
    assert found.referrer_name == "some-site.net"
    assert source(classifier, "https://some-site.net/#frag?x").referrer == "some-site.net"


@pytest.mark.parametrize(
    "host",
    ["example.com", "www.example.com", "blog.example.com", "shop.example.org", "EXAMPLE.COM", "example.com."],
)
def test_own_hosts_and_what_is_below_them_are_direct(classifier: SourceClassifier, host: str) -> None:
    assert source(classifier, f"https://{host}/page") == Source("", "", "Direct", "", "", "", "", "")


@pytest.mark.parametrize("host", ["example.org", "notexample.com", "example.com.evil.net", "example.co"])
def test_hosts_that_only_look_like_the_own_are_external(classifier: SourceClassifier, host: str) -> None:
    assert source(classifier, f"https://{host}/").channel == "Referral"


def test_tags_are_stored_decoded_and_clean(classifier: SourceClassifier) -> None:
    query = (
        "utm_source=Spring%20Post&utm_medium=e+mail&utm_campaign=%E2%82%AC%0A%09x"
        "&utm_content=%ff%00a&utm_term=a%20%20b"
    )
    assert source(classifier, "", query) == Source(
        "", "Spring Post", "Email", "Spring Post", "e mail", "€x", "a", "a b"
    )


def test_the_first_value_of_a_repeated_tag_counts(classifier: SourceClassifier) -> None:
    assert source(classifier, "", "utm_source=&utm_source=a&utm_source=b").utm_source == "a"


def test_source_and_ref_name_the_source_but_are_no_utm_source(classifier: SourceClassifier) -> None:
    found = source(classifier, "", "ref=some-blog.com&source=twitter")
    assert (found.referrer_name, found.channel, found.utm_source) == ("Twitter", "Organic Social", "")


@pytest.mark.parametrize(
    "key",
    ["gclid", "gbraid", "wbraid", "dclid", "msclkid", "fbclid", "ttclid", "twclid", "li_fat_id", "yclid"],
)
def test_a_click_id_is_evidence_and_never_kept(key: str) -> None:
    classifier = SourceClassifier()
    found = source(classifier, "https://partner.example/", f"{key}=SECRET&utm_campaign=c")
    assert "SECRET" not in repr(found)
    assert "SECRET" not in repr(vars(classifier))
    again = source(classifier, "https://partner.example/", f"{key}=OTHER&utm_campaign=c")
    assert again is found  # the id is in no cache key either
    assert source(classifier, "", f"{key}=SECRET").channel != "Direct"


def test_spam_is_told_apart(classifier: SourceClassifier) -> None:
    assert classifier.classify("http://www.0-0.fr/x", "", OWN) is None
    assert classifier.classify("", "utm_source=0-0.fr", OWN) is None
    assert classifier.classify("http://0-0.france.example/", "", OWN) is not None


def test_own_host_on_the_spam_list_is_still_the_own(classifier: SourceClassifier) -> None:
    found = classifier.classify("http://0-0.fr/x", "", frozenset({"0-0.fr"}))
    assert found is not None
    assert found.channel == "Direct"


def test_copies_of_a_page_count_as_its_own_host(classifier: SourceClassifier) -> None:
    assert source(classifier, "https://www-example-com.cdn.ampproject.org/c/").channel == "Direct"
    assert source(classifier, "https://some--site-net.translate.goog/").referrer_name == "some-site.net"


@pytest.mark.parametrize(
    "referrer",
    [
        "about:blank", "data:text/html,x", "file:///etc/passwd", "javascript:alert(1)", "mailto:a@b.de",
        "chrome-extension://abc/x", "words only", "https://", "http://?", "://", "https://[::1", "https:///x",
        "https://" + "a" * 300 + ".de/", "https://a..b/", "http://%00/", "http://ex ample.com/", "\x00",
        "http://" + "ü" * 100 + ".de", "-", "...", "@", "http://@", "android-app://", "android-app:// x",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_site_is_direct(classifier: SourceClassifier, referrer: str) -> None:
    assert source(classifier, referrer) == Source("", "", "Direct", "", "", "", "", "")


def test_hosts_are_stored_as_ascii_and_named_in_their_own_letters(classifier: SourceClassifier) -> None:
    for referrer in ("https://www.bücher.example/x", "https://www.xn--bcher-kva.example/x"):
        found = source(classifier, referrer)
        assert (found.referrer, found.referrer_name) == ("xn--bcher-kva.example/x", "bücher.example")


def test_public_suffixes_bound_the_name(classifier: SourceClassifier) -> None:
    assert source(classifier, "https://a.b.company.co.uk/").referrer_name == "company.co.uk"
    assert source(classifier, "https://someone.github.io/").referrer_name == "someone.github.io"


def test_repeated_sources_come_from_the_cache() -> None:
    classifier = SourceClassifier(cache_entries=10)
    first = classifier.classify("https://www.google.com/?q=1", "page=1", OWN)
    assert classifier.classify("https://www.google.com/?q=2", "page=2&x=3", frozenset(OWN)) is first
    assert (classifier.hits, classifier.misses) == (1, 1)


def test_cache_is_bounded_and_long_referrers_stay_out() -> None:
    classifier = SourceClassifier(cache_entries=3)
    for number in range(20):
        classifier.classify(f"https://site{number}.net/", "", OWN)
    classifier.classify("https://site0.net/", "", OWN)
    classifier.classify("https://site.net/" + "x" * 1_000, "", OWN)
    assert (classifier.hits, classifier.misses) == (0, 21)


def test_sites_do_not_share_answers(classifier: SourceClassifier) -> None:
    first = classifier.classify("https://example.com/", "", OWN)
    other = classifier.classify("https://example.com/", "", frozenset({"example.net"}))
    assert (first and first.channel, other and other.channel) == ("Direct", "Referral")


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)
URL_PIECES = st.lists(
    st.sampled_from(
        ["https://", "http://", "android-app://", "//", "www.", "google", ".", "com", "xn--", "bücher",
        "\u202e", "\ud800", "\x00", "\n",
         "😀", "/", "?", "#", "&", "=", "@", ":", "[", "]", "%", "%ff", "%00", "\\", "a" * 300, "9", "-",
         "_", "..", "İ", "ß", "。", "@", " ",
         "utm_source=", "utm_medium=cpc", "ref=", "gclid=1", "fbclid=2", ".cdn.ampproject.org",
         ".translate.goog", "xn--a", "+", "amp;"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@settings(deadline=None, max_examples=600)
@given(referrer=ANY_TEXT | URL_PIECES, query=ANY_TEXT | URL_PIECES)
def test_any_text_gives_a_clean_and_bounded_source(
    classifier: SourceClassifier, referrer: str, query: str
) -> None:
    found = classifier.classify(referrer, query, OWN)
    if found is None:
        return
    assert found.channel in CHANNELS
    for text in found:
        text.encode()
        assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)
    assert len(found.referrer.encode()) <= limits.REFERRER_BYTES_MAX
    assert len(found.referrer_name) <= limits.UTM_CHARS_MAX
    assert all(len(text) <= limits.UTM_CHARS_MAX for text in found[3:])
    if found.referrer:
        assert found.channel != "Direct"
        assert "?" not in found.referrer


@settings(deadline=None, max_examples=300)
@given(ANY_TEXT | URL_PIECES)
def test_the_fast_and_the_careful_way_through_a_referrer_agree(text: str) -> None:
    """A trailing fragment forces nothing; an upper-case scheme takes the careful way."""
    plain, careful = split_referrer(f"https://host.net/{text}"), split_referrer(f"HTTPS://host.net/{text}")
    assert plain == careful


def test_very_long_input_is_cut_not_refused(classifier: SourceClassifier) -> None:
    found = source(
        classifier,
        "https://some-site.net/" + "ü" * 5_000,
        "utm_campaign=" + "é" * 5_000 + "&utm_term=" + "%20x" * 5_000,
    )
    assert len(found.referrer.encode()) <= limits.REFERRER_BYTES_MAX
    assert found.utm_campaign == "é" * limits.UTM_CHARS_MAX
    assert found.referrer_name == "some-site.net"
