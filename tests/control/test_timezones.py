"""Time zones: only IANA names pass, and a near miss is answered with the name that was meant."""

from __future__ import annotations

import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statnive.control.timezones import canonical_timezone
from statnive.errors import Rejected


@pytest.mark.parametrize("name", ["Europe/Berlin", "Asia/Kolkata", "UTC", "America/Argentina/Buenos_Aires"])
def test_iana_name_passes_unchanged(name: str) -> None:
    assert canonical_timezone("timezone", f" {name} ") == name


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("America/Newyork", "America/New_York"),
        ("Europe/Berln", "Europe/Berlin"),
        ("utc", "UTC"),
    ],
)
def test_near_miss_is_answered_with_the_name_that_was_meant(text: str, meant: str) -> None:
    with pytest.raises(Rejected) as caught:
        canonical_timezone("timezone", text)
    assert caught.value.field == "timezone"
    assert f"did you mean {meant}" in caught.value.reason


@pytest.mark.parametrize(
    "text", ["", "../../etc/passwd", "/usr/share/zoneinfo/UTC", "localtime", "x" * 65, "Mars/Base"]
)
def test_no_zone_is_rejected(text: str) -> None:
    with pytest.raises(Rejected):
        canonical_timezone("timezone", text)


@settings(deadline=None, max_examples=20)
@given(st.text(max_size=80))
def test_whatever_passes_can_be_loaded(text: str) -> None:
    try:
        name = canonical_timezone("timezone", text)
    except Rejected:
        return
    assert zoneinfo.ZoneInfo(name).key == name
