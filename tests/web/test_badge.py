"""The badge: well-formed whatever it is asked for, and readable."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statnive.errors import Rejected
from statnive.web.badge import METRICS, PERIODS, THEMES, Badge, badge_of, short, svg_of

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_badge_says_what_it_counts_and_of_when() -> None:
    assert texts(svg_of(badge_of({}), 1_234)) == ["visitors in 30 days", "1.2k"]
    asked = badge_of({"metric": "pageviews", "period": "7d", "theme": "dark"})
    assert texts(svg_of(asked, 7)) == ["page views in 7 days", "7"]
    assert texts(svg_of(badge_of({"label": "Leser"}), 0)) == ["Leser", "0"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metric", "revenue"),
        ("period", "5y"),
        ("theme", "pink"),
        ("label", "x" * 41),
        ("label", "a\nb"),
        ("colour", "red"),
    ],
)
def test_what_no_badge_has_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(Rejected) as refused:
        badge_of({name: value})
    assert refused.value.field == name


@given(
    label=st.text(max_size=40).filter(lambda text: text.isprintable() or not text),
    value=st.integers(0, 10**12),
)
def test_no_label_breaks_out_of_the_picture(label: str, value: int) -> None:
    for theme in THEMES:
        shown = texts(
            svg_of(badge_of({"label": label, "theme": theme} if label else {"theme": theme}), value)
        )
        assert len(shown) == 2
        if label.strip():
            assert shown[0].split() == label.split()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.0k"),
        (9_949, "9.9k"),
        (9_950, "10k"),
        (999_499, "999k"),
        (10_000_000, "10M"),
    ],
)
def test_numbers_stay_short(value: int, text: str) -> None:
    assert short(value) == text


def test_the_colours_of_each_theme_can_be_read() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for grounds in THEMES.values():
        for ground, ink in (grounds[:2], grounds[2:]):
            low, high = sorted((luminance(ground), luminance(ink)))
            assert (high + 0.05) / (low + 0.05) >= 4.5


def test_every_choice_has_its_words() -> None:
    for metric in METRICS:
        for period in PERIODS:
            assert METRICS[metric] in svg_of(Badge(metric, period), 1)
