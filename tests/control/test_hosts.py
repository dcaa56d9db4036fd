"""Hostnames: one spelling for what an operator types and what a browser sends."""

from __future__ import annotations

import re

import idna
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from statnive.control.hosts import canonical_host
from statnive.errors import Rejected

LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
ascii_labels = st.from_regex(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,10}[A-Za-z0-9_])?", fullmatch=True)
ascii_hosts = st.lists(ascii_labels, min_size=1, max_size=5).map(
    lambda labels: ".".join([*labels, "example"])
)


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=300))
@example("ẞ.de")
@example("℀.de")
@example("xn--a.de")
@example("。")
@example("a\u200db.de")
def test_any_text_is_a_hostname_within_the_limits_or_is_rejected_by_name(text: str) -> None:
    rejection: Rejected | None = None
    try:
        host = canonical_host("domain", text)
    except Rejected as error:
        rejection = error
    if rejection:
        assert rejection.field == "domain"
        assert len(rejection.reason) < 400
        return
    assert 0 < len(host) <= 253
    assert all(LABEL.fullmatch(label) for label in host.split("."))
    assert canonical_host("domain", host) == host


@settings(deadline=None)
@given(ascii_hosts, st.sampled_from(["", ".", " ", "\t"]))
def test_case_blanks_around_and_trailing_dot_do_not_matter(host: str, after: str) -> None:
    assert canonical_host("alias", " " + host + after) == host.lower()


@settings(deadline=None)
@given(
    st.lists(st.text("äöüéñçøåžšőабвгдλμνξ日本語中文한글", min_size=1, max_size=8), min_size=1, max_size=3)
)
def test_international_name_and_its_punycode_are_the_same_host(labels: list[str]) -> None:
    name = ".".join(labels) + ".example"
    try:
        host = canonical_host("domain", name)
    except Rejected:
        assume(False)  # a mix of scripts or directions that no registry allows
    assert host.startswith("xn--")
    assert idna.decode(host) == name
    assert canonical_host("domain", name.upper()) == host
    assert canonical_host("domain", host.upper()) == host


@settings(deadline=None)
@given(
    ascii_hosts,
    st.sampled_from(["https://{}", "{}/", "{}/path", "{}:443", "{}?q", "u@{}", "*.{}", ".{}", "{}.."]),
)
def test_more_than_a_hostname_is_rejected(host: str, form: str) -> None:
    with pytest.raises(Rejected):
        canonical_host("domain", form.format(host))


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM", "example.com"),
        ("www.example.com.", "www.example.com"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("straße.de", "xn--strae-oqa.de"),  # its own name for browsers, not strasse.de
        ("www。例え。jp", "www.xn--r8jz45g.jp"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("my_shop.example.com", "my_shop.example.com"),
        ("xn--i-7iq.ws", "xn--i-7iq.ws"),
    ],
)
def test_hostname_is_spelled_as_a_browser_does(text: str, host: str) -> None:
    assert canonical_host("domain", text) == host


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        (" . ", "is empty"),
        ("https://example.com", "scheme"),
        ("example.com/blog", "path"),
        ("example.com:8080", "port"),
        ("[::1]", "IPv6"),
        ("me@example.com", "user name"),
        ("*.example.com", "wildcard"),
        ("exa mple.com", "blank"),
        ("a..example.com", "empty part"),
        ("-a.example.com", "'-a' is not allowed"),
        ("a" * 64 + ".com", "64 characters; at most 63"),
        ("a." * 127 + "com", "257 characters; at most 253"),
        ("ü" * 60 + ".de", "no international hostname"),
        ("i❤.ws", "xn-- form"),
        ("10.0.0.256", "no IPv4 address"),
        ("example.123", "no IPv4 address"),
    ],
)
def test_rejection_names_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        canonical_host("alias", text)
    assert caught.value.field == "alias"
    assert reason in caught.value.reason
