"""Channels: Google Analytics 4's default channel group, and one more for AI assistants.

The rules are those that Google publishes ("[GA4] Default channel group"), in Google's order, first match
wins, with three differences. Paid rules find their kind of site in utm_source, in the referrer and in click
ids, whichever tells it. A medium is paid by whole words ("google_cpc", not "scp"). What no rule takes is
Referral, since a tagged or referred visit came from somewhere; Google has "Unassigned" there.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

DIRECT: Final = "Direct"
CROSS_NETWORK: Final = "Cross-network"
PAID_SHOPPING: Final = "Paid Shopping"
PAID_SEARCH: Final = "Paid Search"
PAID_SOCIAL: Final = "Paid Social"
PAID_VIDEO: Final = "Paid Video"
PAID_OTHER: Final = "Paid Other"
DISPLAY: Final = "Display"
AI_ASSISTANTS: Final = "AI Assistants"
ORGANIC_SHOPPING: Final = "Organic Shopping"
ORGANIC_SOCIAL: Final = "Organic Social"
ORGANIC_VIDEO: Final = "Organic Video"
ORGANIC_SEARCH: Final = "Organic Search"
EMAIL: Final = "Email"
AFFILIATES: Final = "Affiliates"
REFERRAL: Final = "Referral"
AUDIO: Final = "Audio"
SMS: Final = "SMS"
MOBILE_PUSH: Final = "Mobile Push"

CHANNELS: Final = (
    DIRECT, CROSS_NETWORK, PAID_SHOPPING, PAID_SEARCH, PAID_SOCIAL, PAID_VIDEO, PAID_OTHER, DISPLAY,
    AI_ASSISTANTS, ORGANIC_SHOPPING, ORGANIC_SOCIAL, ORGANIC_VIDEO, ORGANIC_SEARCH, EMAIL, AFFILIATES,
    REFERRAL, AUDIO, SMS, MOBILE_PUSH,
)  # fmt: skip

# Kinds of site, the third column of the source tables. "referral" has a name and no rule of its own.
KINDS: Final = frozenset({"search", "social", "video", "shopping", "email", "ai", "referral"})

_PAID_BY_KIND: Final = {
    "shopping": PAID_SHOPPING,
    "search": PAID_SEARCH,
    "social": PAID_SOCIAL,
    "video": PAID_VIDEO,
}
_ORGANIC_BY_KIND: Final = {
    "ai": AI_ASSISTANTS,
    "shopping": ORGANIC_SHOPPING,
    "social": ORGANIC_SOCIAL,
    "video": ORGANIC_VIDEO,
    "search": ORGANIC_SEARCH,
    "email": EMAIL,
}
_PAID_MEDIUM = re.compile(
    r"cpc|(?:^|[^a-z])(?:cp[acdeilmopqsv]|pp[cv]|paid[a-z]*|retargeting|remarketing)(?:$|[^a-z])|^paid"
)
_SHOP_CAMPAIGN = re.compile(r"(?:[^a-df-z]|^)shop|shopping")
_DISPLAY_MEDIA: Final = frozenset({"display", "banner", "expandable", "interstitial", "cpm"})
_SOCIAL_MEDIA: Final = frozenset(
    {
        "social",
        "social-network",
        "social-media",
        "sm",
        "social network",
        "social media",
        "social_network",
        "social_media",
    }
)
_EMAIL_WORDS: Final = frozenset({"email", "e-mail", "e_mail", "e mail", "newsletter"})
_NO_MEDIUM: Final = frozenset({"", "(none)", "(not set)"})
_MESSAGE_CHANNELS: Final = frozenset({EMAIL, SMS, MOBILE_PUSH, AFFILIATES, AUDIO})


class Click(NamedTuple):
    """What a click id in a page's address proves: whose it is, and whether an advertisement was clicked."""

    name: str
    kind: str
    paid: bool
    channel: str = ""  # where the id alone decides


NO_CLICK: Final = Click("", "", False)


class Campaign(NamedTuple):
    """The tags that the rules look at, as sent."""

    source: str
    medium: str
    name: str


NO_CAMPAIGN: Final = Campaign("", "", "")


def channel_of(source_kind: str, referrer_kind: str, referred: bool, campaign: Campaign, click: Click) -> str:
    """The channel of a visit.

    `source_kind` is the kind of what utm_source (source, ref) names, `referrer_kind` that of the referring
    site, "" = not known; `referred`: whether there was an external referrer.
    """
    if campaign == NO_CAMPAIGN and click is NO_CLICK:  # most visits
        return _ORGANIC_BY_KIND.get(referrer_kind) or (REFERRAL if referred else DIRECT)
    source, medium, name = campaign.source.lower(), campaign.medium.lower(), campaign.name.lower()
    if source in ("(direct)", "direct") and medium in _NO_MEDIUM:
        source = ""
    medium = "" if medium in _NO_MEDIUM else medium
    if "cross-network" in name:
        return CROSS_NETWORK
    paid = bool(_PAID_MEDIUM.search(medium))
    by_medium = _organic("", source, medium, name)
    if paid or (click.paid and by_medium not in _MESSAGE_CHANNELS and medium not in _DISPLAY_MEDIA):
        return _paid(source_kind, referrer_kind, medium, name, click)
    if medium in _DISPLAY_MEDIA:
        return DISPLAY
    return (
        _organic(source_kind, source, medium, name)
        or _ORGANIC_BY_KIND.get(referrer_kind)
        or click.channel
        or _ORGANIC_BY_KIND.get(click.kind)
        or (REFERRAL if referred or source or medium else DIRECT)
    )


def _paid(source_kind: str, referrer_kind: str, medium: str, campaign: str, click: Click) -> str:
    kinds = (source_kind, referrer_kind, click.kind)
    if _SHOP_CAMPAIGN.search(campaign):
        return PAID_SHOPPING
    if click.channel and not _PAID_MEDIUM.search(medium):
        return click.channel
    for kind in kinds:
        if kind in _PAID_BY_KIND:
            return _PAID_BY_KIND[kind]
    return DISPLAY if medium in _DISPLAY_MEDIA else PAID_OTHER


def _organic(kind: str, source: str, medium: str, campaign: str) -> str:
    """Google's rules from Organic Shopping to Mobile Push, in their order; "" = none applies."""
    if kind == "ai":
        return AI_ASSISTANTS
    if kind == "shopping" or _SHOP_CAMPAIGN.search(campaign):
        return ORGANIC_SHOPPING
    if kind == "social" or medium in _SOCIAL_MEDIA:
        return ORGANIC_SOCIAL
    if kind == "video" or "video" in medium:
        return ORGANIC_VIDEO
    if kind == "search" or medium == "organic":
        return ORGANIC_SEARCH
    if kind == "email" or source in _EMAIL_WORDS or medium in _EMAIL_WORDS:
        return EMAIL
    if medium in ("affiliate", "affiliates"):
        return AFFILIATES
    if medium in ("referral", "app", "link"):
        return REFERRAL
    if medium == "audio":
        return AUDIO
    if "sms" in (source, medium):
        return SMS
    if medium.endswith("push") or "mobile" in medium or "notification" in medium or source == "firebase":
        return MOBILE_PUSH
    return ""
