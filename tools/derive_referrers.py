"""Derives statnive/ingest/tables/sources.tsv and spammers.txt from Matomo's host lists.

Reads SearchEngines.yml, Socials.yml, AIAssistants.yml (CC0-1.0) and spammers.txt (public domain) of a folder.
What is written by hand for this project is in sources_more.tsv and takes precedence.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

TABLES = Path(__file__).parent.parent / "statnive" / "ingest" / "tables"
SOURCES_HEADER = """\
# Search engines, social networks, AI assistants: key, name, kind. Keys are explained in sources_more.tsv.
# Derived by tools/derive_referrers.py; change that or sources_more.tsv, not this file.
# Source: https://github.com/matomo-org/searchengine-and-social-list
# Licence: CC0-1.0
"""
SPAMMERS_HEADER = """\
# Hosts of referrer spam, one a line; their subdomains count too. Derived by tools/derive_referrers.py.
# Source: https://github.com/matomo-org/referrer-spam-list
# Licence: public domain
"""
# Matomo counts these as search only with a search word in the query. By host alone they are portals,
# providers, directories or other sites, or another kind of source.
NO_SEARCH_ENGINES = {
    "ChatGPT", "Facebook", "FriendFeed", "HighBeam", "ICQ", "MySpace", "Perplexity", "Technorati",
    "You", "All.by", "Canoe.ca", "Charter", "DasOertliche", "DasTelefonbuch", "Digg", "GoYellow.de",
    "Gule Sider", "Hit-Parade", "I-play", "Inbox", "Kataweb", "Meinestadt.de", "Mister Wong",
    "Online.no", "Opplysningen 1881", "Plazoo", "SmartShopping", "TalkTalk", "Toppreise.ch",
    "Yellowmap", "rpmfind", "Skynet", "Allaverksamheter", "118 700", "123people", "Yasni", "Yatedo",
    "PeopleCheck", "URL.ORGanzier", "Twingly", "Alexa", "Volny", "Google Shopping",
}  # fmt: skip
NO_SEARCH_HOSTS = {
    "www.cnn.com", "www.fastweb.it", "www.kadaza.com", "www.optuszoo.com.au", "cgi2.nintendo.co.jp",
    "webcache.googleusercontent.com", "wow.com", "*.wow.com", "msnbc.msn.com", "dizionario.it.msn.com",
    "enciclopedia.it.msn.com", "it.luna.tv", "start.lenovo.com", "navigationshilfe.t-online.de",
    "jp.hao123.com", "home.kingsoft.jp", "mobile.virgilio.it", "login.live.com", "tieba.baidu.com",
    "zhidao.baidu.com",
}  # fmt: skip
NAMES = {
    "Google%2B": "Google+",
    "Vkontakte": "VKontakte",
    "reddit": "Reddit",
    "tumblr": "Tumblr",
    "StackOverflow": "Stack Overflow",
    "Sourceforge": "SourceForge",
    "Haboo": "Habbo",
    "Ozone": "Qzone",
    "Deepseek": "DeepSeek",
    "Yahoo!": "Yahoo!",
    "You": "You.com",
    "Baidu AI": "Ernie Bot",
}


def read_lists(text: str) -> dict[str, list[str]]:
    """Name -> hosts of Matomo's YAML: names, each with a list of hosts or of blocks with `urls:` lists."""
    lists: dict[str, list[str]] = {}
    name, key = "", "urls"
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if not line.startswith(" "):
            name, key = _unquote(bare.removesuffix(":")), "urls"
            lists.setdefault(name, [])
        elif bare.endswith(":") or re.match(r"[a-z_]+: ", bare):
            key = bare.removeprefix("- ").partition(":")[0]
        elif bare.startswith("- ") and key == "urls":
            lists[name].append(_unquote(bare[2:]))
        elif bare == "-":
            key = "urls"
    return lists


def _unquote(text: str) -> str:
    return text.strip().strip("'\"").strip()


def table_key(host: str) -> str:
    """Matomo's host as a key of ours: `google.{}` is google.*, `{}.bing.com` *.bing.com, apps have "app:"."""
    host = host.strip().rstrip("/").lower()
    if host.startswith("android-app//"):
        return ""
    if re.match(r"(?:com|org)\.[a-z]+\.", host) or host.endswith(".android"):
        return f"app:{host}"
    host = re.sub(r"\.\{\}(/|$)", r".*\1", host.replace("{}.", "*.", 1) if host.startswith("{}.") else host)
    return "" if "{}" in host else host


def source_rows(folder: Path) -> list[tuple[str, str, str]]:
    """(key, name, kind). A host on two lists counts as AI assistant, else as social, else as search."""
    rows: dict[str, tuple[str, str, str]] = {}
    files = (("AIAssistants.yml", "ai"), ("Socials.yml", "social"), ("SearchEngines.yml", "search"))
    for file, kind in files:
        for name, hosts in read_lists((folder / file).read_text(encoding="utf-8")).items():
            if kind == "search" and name in NO_SEARCH_ENGINES:
                continue
            for host in hosts:
                key = table_key(host)
                if not key or (kind == "search" and key in NO_SEARCH_HOSTS) or key == "login.live.com":
                    continue
                # Below "www." and the like the reader looks for the bare host, so both forms count.
                key = re.sub(r"^www\d?\.(?=[^.]+\.)", "", key)
                rows.setdefault(key, (key, NAMES.get(name, name), kind))
    return sorted(rows.values(), key=lambda row: (row[2], row[1].lower(), row[0]))


def spam_hosts(folder: Path) -> list[str]:
    lines = (folder / "spammers.txt").read_text(encoding="utf-8").splitlines()
    return sorted(
        {_ascii(line.strip().lower()) for line in lines if line.strip() and not line.startswith("#")}
    )


def _ascii(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode("ascii")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--lists", type=Path, default=Path("../shared/data/referrers"), help="folder of the lists"
    )
    parser.add_argument("--out", type=Path, default=TABLES, help="folder of the tables")
    options = parser.parse_args()
    rows, hosts = source_rows(options.lists), spam_hosts(options.lists)
    lines = ["\t".join(row) for row in rows]
    (options.out / "sources.tsv").write_text(SOURCES_HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    (options.out / "spammers.txt").write_text(SPAMMERS_HEADER + "\n".join(hosts) + "\n", encoding="utf-8")
    print(f"{options.out}: {len(rows)} sources, {len(hosts)} spammers")


if __name__ == "__main__":
    main()
