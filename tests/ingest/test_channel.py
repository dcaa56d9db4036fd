"""Channels: Google's rules in Google's order, and what differs. The labelled set is in tests/attribution."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statnive.ingest.channel import CHANNELS, KINDS, NO_CAMPAIGN, NO_CLICK, Campaign, Click, channel_of

GOOGLE_ADS = Click("Google", "search", True)
SHARED = Click("Facebook", "social", False)
DISPLAY_AD = Click("Google", "search", True, "Display")


def test_nothing_at_all_is_direct() -> None:
    assert channel_of("", "", False, NO_CAMPAIGN, NO_CLICK) == "Direct"


def test_an_unknown_external_site_is_referral_never_direct() -> None:
    assert channel_of("", "", True, NO_CAMPAIGN, NO_CLICK) == "Referral"
    assert channel_of("", "", True, Campaign("direct", "(none)", ""), NO_CLICK) == "Referral"


@pytest.mark.parametrize("medium", ["cpc", "CPC", "ppc", "paid", "paid-social", "paidsearch", "retargeting",
"cpm",
                                    "cpv", "google_cpc", "cpc-brand", "social_paid",
                                    "facebook-paid"])  # fmt: skip
def test_paid_media_make_a_search_source_paid_search(medium: str) -> None:
    assert channel_of("search", "", False, Campaign("google", medium, ""), NO_CLICK) == "Paid Search"


@pytest.mark.parametrize(
    "medium", ["scp", "cpanel", "techpaper", "tcp", "cp", "unpaidwork", "escape", "cappuccino"]
)
def test_words_that_only_contain_a_paid_word_are_not_paid(medium: str) -> None:
    assert channel_of("search", "", False, Campaign("google", medium, ""), NO_CLICK) == "Organic Search"


def test_paid_rules_look_at_tag_referrer_and_click_id_in_this_order() -> None:
    paid = Campaign("x", "cpc", "")
    assert channel_of("social", "search", True, paid, GOOGLE_ADS) == "Paid Social"
    assert channel_of("", "video", True, paid, GOOGLE_ADS) == "Paid Video"
    assert channel_of("", "", True, paid, GOOGLE_ADS) == "Paid Search"
    assert channel_of("", "", True, paid, NO_CLICK) == "Paid Other"


def test_an_advertisement_click_is_paid_without_tags() -> None:
    assert channel_of("", "", False, NO_CAMPAIGN, GOOGLE_ADS) == "Paid Search"
    assert channel_of("", "video", True, NO_CAMPAIGN, GOOGLE_ADS) == "Paid Video"
    assert channel_of("", "", False, NO_CAMPAIGN, DISPLAY_AD) == "Display"


def test_an_id_on_every_link_is_not_paid_by_itself() -> None:
    assert channel_of("", "", False, NO_CAMPAIGN, SHARED) == "Organic Social"
    assert channel_of("", "", False, Campaign("", "cpc", ""), SHARED) == "Paid Social"


@pytest.mark.parametrize(
    ("medium", "channel"),
    [("email", "Email"), ("sms", "SMS"), ("push", "Mobile Push"), ("affiliate", "Affiliates")],
)
def test_a_message_stays_one_though_its_link_carries_an_old_click_id(medium: str, channel: str) -> None:
    assert channel_of("", "", False, Campaign("x", medium, ""), GOOGLE_ADS) == channel


def test_medium_beats_a_referrer_that_only_passed_the_visit_on() -> None:
    assert channel_of("", "search", True, Campaign("weekly", "email", ""), NO_CLICK) == "Email"


def test_referrer_tells_the_channel_where_tags_tell_none() -> None:
    assert channel_of("", "social", True, Campaign("spring", "", ""), NO_CLICK) == "Organic Social"


def test_ai_assistants_have_their_own_channel() -> None:
    assert channel_of("", "ai", True, NO_CAMPAIGN, NO_CLICK) == "AI Assistants"
    assert channel_of("ai", "", False, Campaign("chatgpt.com", "referral", ""), NO_CLICK) == "AI Assistants"
    assert channel_of("ai", "", False, Campaign("chatgpt.com", "cpc", ""), NO_CLICK) == "Paid Other"


@given(
    st.sampled_from(["", *sorted(KINDS)]),
    st.sampled_from(["", *sorted(KINDS)]),
    st.booleans(),
    st.builds(Campaign, st.text(max_size=30), st.text(max_size=30), st.text(max_size=30)),
    st.sampled_from([NO_CLICK, GOOGLE_ADS, SHARED, DISPLAY_AD]),
)
def test_any_tags_give_a_known_channel(
    source_kind: str, referrer_kind: str, referred: bool, campaign: Campaign, click: Click
) -> None:
    channel = channel_of(source_kind, referrer_kind, referred, campaign, click)
    assert channel in CHANNELS
    assert not (referred and channel == "Direct")
