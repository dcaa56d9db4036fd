"""The reading API over HTTP, on the real engine: every route, its formats, its OpenAPI document, and bad input."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statnive.clickhouse.client import Client
from statnive.clickhouse.migrate import migrate
from statnive.config import ClickHouseConfig
from statnive.control.snapshot import Snapshot, SnapshotHolder
from statnive.query.catalog import REPORTS
from statnive.query.tables import csv_of, safe
from statnive.web import app, openapi, stats
from statnive.web.reads import Reads
from tests.clickhouse_fixture import SQL_DIR, Engine
from tests.query import worlds
from tests.web.gates import open_gate

NOW = 1_793_620_800.0  # 2026-11-02 12:00 UTC
LISTS = sorted(REPORTS)


class Http:
    """Requests straight into the app, each in a trio run of its own."""

    def __init__(self, served: Any) -> None:
        self._transport = httpx.ASGITransport(served, raise_app_exceptions=False)

    def request(self, method: str, url: str, params: Any = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://node") as client:
                return await client.request(method, url, params=params)

        return trio.run(ask)

    def get(self, url: str, params: Any = None) -> httpx.Response:
        return self.request("GET", url, params)

    def post(self, url: str) -> httpx.Response:
        return self.request("POST", url)


class Web:
    """The routes as a node serves them, and the engine behind them."""

    def __init__(self, engine: Engine) -> None:
        zone, around = worlds.ZONES[0]
        self.site = worlds.site(1, zone)
        engine.insert(*worlds.rows_of(self.site, around, seed=3))
        self.reader: Client = engine.connect("reader")
        self.now = NOW
        self.parts: Any = SimpleNamespace(
            sites=SnapshotHolder(Snapshot.of([self.site, worlds.site(2, "Asia/Kolkata")])),
            clock=lambda: self.now,
            fresh_through=lambda: self.now,
            report=self.report,
        )
        self.parts.reads = Reads(
            lambda work: work(self.reader), threads=1, clock=lambda: self.now, fresh_through=lambda: self.now
        )
        self.bugs: list[str] = []
        self.declared = stats.declared(self.parts)
        self.parts.gate = open_gate(self.parts.sites)
        starlette = app._starlette(self.parts, self.parts.gate.routes(stats.routes(self.parts)))
        self.http = Http(starlette)

    def report(self, kind: str, text: str) -> None:
        self.bugs.append(text)

    def get(self, name: str, **parameters: Any) -> Any:
        return self.http.get(f"/api/stats/{name}", params={"site": "s1.example", **parameters})


@pytest.fixture(scope="module")
def web(engine_dir: Path) -> Iterator[Web]:
    engine = Engine(engine_dir, ClickHouseConfig(memory_bytes_max=1024**3, database="web_stats"))
    admin = engine.connect("admin")
    migrate(admin, SQL_DIR)
    yield Web(engine)
    admin.command(f"DROP DATABASE {engine.config.database}")
    engine.close()


DAYS = {"from": "2026-10-31", "to": "2026-11-02"}
GOOGLE = '[["is","visit:source",["Google"]]]'


@pytest.mark.parametrize("name", LISTS)
def test_every_list_answers_with_the_columns_that_it_declares(web: Web, name: str) -> None:
    answer = web.get(name, **DAYS)
    assert answer.status_code == 200, answer.text
    body, report = answer.json(), REPORTS[name]
    assert body["rows"], "the world has some of everything"
    assert body["total_rows"] >= len(body["rows"])
    for row in body["rows"]:
        assert tuple(row) == (*report.keys, *report.metrics)
    first = [row[report.metrics[0]] for row in body["rows"]]
    assert first == sorted(first, reverse=True)


@pytest.mark.parametrize("name", LISTS)
def test_every_list_can_be_filtered_compared_searched_and_cut(web: Web, name: str) -> None:
    whole = web.get(name, **DAYS).json()
    part = web.get(name, **DAYS, limit=1, offset=1).json()
    assert part["rows"] == whole["rows"][1:2]
    filtered = web.get(name, **DAYS, filters=GOOGLE)
    assert filtered.status_code == 200, filtered.text
    assert filtered.json()["rows"] != whole["rows"]
    compared = web.get(name, **{"from": "2026-11-01", "to": "2026-11-01"}, compare="previous_period").json()
    assert (compared["comparison"]["from"], compared["comparison"]["to"]) == ("2026-10-31", "2026-10-31")
    before = web.get(name, **{"from": "2026-10-31", "to": "2026-10-31"}, limit=1000).json()["rows"]
    report = REPORTS[name]
    known = {tuple(row[key] for key in report.keys): row for row in before}
    for row in compared["rows"]:
        old = known.get(tuple(row[key] for key in report.keys))
        if old is not None:
            assert row["comparison"] == {metric: old[metric] for metric in report.metrics}
    key = report.keys[0]
    text = next((row[key] for row in whole["rows"] if row[key]), "")
    if report.searched and text:
        found = web.get(name, **DAYS, search=text[:3].upper()).json()["rows"]
        assert [row[key] for row in found] == [
            row[key] for row in whole["rows"] if text[:3].lower() in row[key].lower()
        ]


@pytest.mark.parametrize("name", ["overview", "trend", *LISTS])
def test_the_csv_has_the_rows_of_the_json(web: Web, name: str) -> None:
    body = web.get(name, **DAYS).json()
    answer = web.get(name, **DAYS, format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}-s1.example.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    wanted = body.get("rows") or body.get("points") or [{**DAYS, **body["metrics"]}]
    assert len(rows) == len(wanted)
    for row, row_json in zip(rows, wanted, strict=True):
        assert list(row) == list(row_json)
        for key, value in row_json.items():
            if isinstance(value, (int, float)):
                assert float(row[key]) == value
            elif value is None:
                assert row[key] == ""


def test_one_zip_holds_every_report(web: Web) -> None:
    answer = web.get("export", **DAYS)
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert sorted(archive.namelist()) == sorted(f"{name}.csv" for name in ("overview", "trend", *LISTS))
        pages = archive.read("pages.csv").decode()
    assert len(pages.splitlines()) == web.get("pages", **DAYS).json()["total_rows"] + 1


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "'=1", "\n=1", "|calc"]
)
def test_no_cell_of_text_is_a_formula(text: str) -> None:
    assert str(safe(text)).startswith("'")
    (row,) = csv.reader(io.StringIO(csv_of({"rows": [{"page": text}]}).split("\r\n", 1)[1], newline=""))
    assert row[0].startswith("'")
    assert safe(-1) == -1


def test_a_trend_has_every_step_also_of_weeks_and_of_hours(web: Web) -> None:
    weeks = web.get("trend", **DAYS, interval="week").json()["points"]
    assert [point["time"] for point in weeks] == ["2026-10-26", "2026-11-02"]
    hours = web.get("trend", **{"from": "2026-11-01T10:00", "to": "2026-11-01T13:00"}, interval="hour").json()
    assert [point["time"][11:16] for point in hours["points"]] == ["10:00", "11:00", "12:00", "13:00"]
    assert (hours["from"], hours["to"]) == ("2026-11-01T10:00:00+00:00", "2026-11-01T13:00:00+00:00")
    day = web.get("trend", **{"from": "2026-11-01", "to": "2026-11-01"}, interval="hour").json()["points"]
    assert [point["pageviews"] for point in day[10:14]] == [point["pageviews"] for point in hours["points"]]


def test_a_comparison_with_the_year_before_is_of_the_same_dates(web: Web) -> None:
    body = web.get("overview", **{"from": "2028-02-29", "to": "2028-03-01"}, compare="year_before").json()
    assert (body["comparison"]["from"], body["comparison"]["to"]) == ("2027-02-28", "2027-03-01")
    custom = {"compare": "custom", "compare_from": "2026-10-31", "compare_to": "2026-10-31"}
    body = web.get("overview", **DAYS, **custom).json()
    alone = web.get("overview", **{"from": "2026-10-31", "to": "2026-10-31"}).json()
    assert body["comparison"]["metrics"] == alone["metrics"]


def test_totals_of_a_day_that_runs_are_compared_with_the_same_hours(web: Web) -> None:
    """At noon the hour from twelve on runs: it is counted, and so is the same one of the day before."""
    hours = {"from": "2026-11-01T00:00", "to": "2026-11-01T12:00"}
    for filters in ({}, {"filters": GOOGLE}):
        found = web.get("overview", period="day", compare="previous_period", **filters).json()["comparison"]
        assert (found["from"], found["to"]) == ("2026-11-01T00:00:00+00:00", "2026-11-01T12:00:00+00:00")
        alone = web.get("overview", **hours, **filters).json()
        assert found["metrics"] == alone["metrics"]
        whole = web.get("overview", **{"from": "2026-11-01", "to": "2026-11-01"}, **filters).json()
        assert 0 < found["metrics"]["pageviews"] < whole["metrics"]["pageviews"]


def test_what_is_compared_as_a_whole(web: Web) -> None:
    """Lists and filters of several days have no hours; a trend's points stand side by side; the past is over."""
    three = {"from": "2026-10-31", "to": "2026-11-02"}
    cases = (
        ("overview", three, {}, ("2026-10-28T00:00:00+00:00", "2026-10-30T12:00:00+00:00")),
        ("overview", three, {"filters": GOOGLE}, ("2026-10-28", "2026-10-30")),
        ("trend", {"period": "day"}, {}, ("2026-11-01", "2026-11-01")),
        ("pages", {"period": "day"}, {}, ("2026-11-01", "2026-11-01")),
        ("overview", {"period": "day", "date": "2026-11-01"}, {}, ("2026-10-31", "2026-10-31")),
        ("overview", {"period": "day", "date": "2026-11-03"}, {}, ("2026-11-02", "2026-11-02")),
    )
    for name, span, more, wanted in cases:
        found = web.get(name, **span, **more, compare="previous_period").json()["comparison"]
        assert (found["from"], found["to"]) == wanted, (name, span, more)


def test_campaigns_are_by_the_tag_that_is_asked_for(web: Web) -> None:
    rows = web.get("campaigns", **DAYS, tag="utm_source").json()["rows"]
    assert {row["utm_source"] for row in rows} == {"", "news"}


def test_properties_are_names_or_the_values_of_one(web: Web) -> None:
    assert {row["property"] for row in web.get("properties", **DAYS).json()["rows"]} == {"plan", "a'b\\"}
    values = web.get("properties", **DAYS, property="plan", event="pageview").json()["rows"]
    assert {row["value"] for row in values} <= {"pro", "free"}
    assert values


def test_money_is_a_decimal_with_its_currency(web: Web) -> None:
    (row,) = [row for row in web.get("goals", **DAYS).json()["rows"] if row["goal"] == "Signup"]
    assert {part["currency"] for part in row["total_revenue"]} <= {"EUR", "USD"}
    assert all("." in part["amount"] or part["amount"].isdigit() for part in row["total_revenue"])


def test_revenue_of_a_range_is_of_all_goals_or_of_those_filtered_by(web: Web) -> None:
    def total(name: str, **more: str) -> dict[str, float]:
        body = web.get(name, **DAYS, metrics="total_revenue", **more).json()
        parts = [body["metrics"]] if name == "overview" else body["points"]
        found: dict[str, float] = {}
        for part in parts:
            for money in part["total_revenue"]:
                found[money["currency"]] = found.get(money["currency"], 0) + float(money["amount"])
        return {currency: round(amount, 3) for currency, amount in found.items() if amount}

    goals = [row["goal"] for row in web.get("goals", **DAYS).json()["rows"]]
    assert total("overview")
    assert total("overview") == total("trend")
    named = {goal: total("overview", filters=json.dumps(["is", "event:goal", [goal]])) for goal in goals}
    rows = {row["goal"]: row for row in web.get("goals", **DAYS).json()["rows"]}
    for goal, amounts in named.items():
        wanted = {part["currency"]: float(part["amount"]) for part in rows[goal]["total_revenue"]}
        assert amounts == {currency: amount for currency, amount in wanted.items() if amount}
    mixed = web.get("overview", **DAYS, metrics="total_revenue,visits")
    assert (mixed.status_code, mixed.json()["error"]["field"]) == (400, "metrics")


def test_answers_are_kept_and_refreshed_once_a_minute(web: Web) -> None:
    asked = web.parts.reads.counts
    web.get("devices", period="7d")
    before = asked["kept"]
    web.get("devices", period="7d")
    assert asked["kept"] == before + 1
    web.now += 61
    assert web.http.post("/api/stats/refresh?site=s1.example").json()["refreshed"] is True
    again = web.http.post("/api/stats/refresh?site=s1.example")
    assert (again.status_code, int(again.headers["retry-after"]) > 0) == (429, True)
    web.get("devices", period="7d")
    assert asked["kept"] == before + 1


BAD: list[tuple[str, dict[str, str], int, str]] = [
    ("overview", {"site": ""}, 404, "site"),
    ("overview", {"site": "nobody.example"}, 404, "site"),
    ("overview", {"site": "' OR 1=1 --"}, 404, "site"),
    ("overview", {"from": "2026-01-02", "to": "2026-01-01"}, 400, "to"),
    ("overview", {"from": "yesterday", "to": "2026-01-01"}, 400, "from"),
    ("overview", {"from": "1926-01-01", "to": "2026-01-01"}, 400, "from"),
    ("overview", {"from": "2000-01-01", "to": "2099-12-31"}, 400, "to"),
    ("overview", {"from": "2026-01-01T10:30", "to": "2026-01-01T11:00"}, 400, "from"),
    ("overview", {"from": "2026-01-01T10:00", "to": "2026-01-01"}, 400, "to"),
    ("overview", {"nonsense": "1"}, 400, "nonsense"),
    ("overview", {"metrics": "visitors,password"}, 400, "metrics"),
    ("overview", {"metrics": ""}, 400, "metrics"),
    ("overview", {"metrics": "visitors,visitors"}, 400, "metrics"),
    ("overview", {"format": "xlsx"}, 400, "format"),
    ("overview", {"compare": "yesterday"}, 400, "compare"),
    ("overview", {"compare": "custom"}, 400, "compare_from"),
    ("overview", {"compare_from": "2026-01-01"}, 400, "compare_from"),
    ("overview", {"compare": "custom", "compare_from": "x", "compare_to": "x"}, 400, "compare_from"),
    ("overview", {"from": "1970-01-02", "to": "1970-01-03", "compare": "previous_period"}, 400, "compare"),
    ("trend", {"interval": "minute"}, 400, "interval"),
    ("trend", {"interval": "hour", "period": "12mo"}, 400, "interval"),
    ("pages", {"sort": "password"}, 400, "sort"),
    ("pages", {"sort": "-visitors; DROP TABLE events_raw"}, 400, "sort"),
    ("pages", {"limit": "0"}, 400, "limit"),
    ("pages", {"limit": "1e9"}, 400, "limit"),
    ("pages", {"offset": "-1"}, 400, "offset"),
    ("pages", {"search": "x" * 201}, 400, "search"),
    ("campaigns", {"tag": "utm_password"}, 400, "tag"),
    ("funnel", {}, 400, "steps"),
    ("funnel", {"steps": '[{"page":"/"},{"page":"/a"}]', "window": "99999999"}, 400, "window"),
    *(
        ("overview", {"filters": text}, 400, "filters")
        for text in (
            "", "{", "{}", "1", '"x"', "[1]", '["is"]', '["is","visit:source"]', '["is","visit:source","x"]',
            '["is","visit:source",[]]', '["is","visit:source",[{}]]', '["is","visit:password",["x"]]',
            '["equals","visit:source",["x"]]', '["not"]', '["and",[]]', '["is","event:props:",["x"]]',
            '["is","event:goal",["nobody"]]', '["matches","visit:source",["(a"]]', '["is","segment",[1]]',
            '["matches","visit:source",["(?<=a)b"]]', '["is","visit:source",["x"],{"case":1}]',
            "[" * 50 + "]" * 50, '["not",' * 50 + '["is","visit:source",["x"]]' + "]" * 50, "[" * 9_000,
            '["is","visit:source",["' + "x" * 7_000 + '"]]',
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changed", "status", "field"), BAD)
def test_bad_input_is_a_4xx_that_names_the_field(
    web: Web, name: str, changed: dict[str, str], status: int, field: str
) -> None:
    answer = web.get(name, **changed)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
    assert len(answer.json()["error"]["message"]) > 10
    assert web.bugs == []


def test_a_parameter_given_twice_is_refused(web: Web) -> None:
    answer = web.http.get("/api/stats/overview?site=s1.example&period=7d&period=day")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "period")


# The OpenAPI document


def test_the_document_describes_the_routes_that_there_are_and_no_other(web: Web) -> None:
    document = web.http.get("/api/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    served = {route.path for route in stats.routes(web.parts)} - {"/api/openapi.json"}  # type: ignore[attr-defined]
    assert set(document["paths"]) == served | {openapi.EVENTS_PATH}
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "")
    return document["components"]["schemas"][name.rsplit("/", 1)[1]] if name else schema


TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "array": list,
    "boolean": bool,
    "null": type(None),
}


def check(document: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> None:
    """As much of JSON Schema as the document uses."""
    schema = resolve(document, schema)
    assert set(schema) <= {
        "type",
        "minimum",
        "items",
        "properties",
        "required",
        "enum",
        "const",
        "format",
        "$ref",
    }
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert isinstance(value, tuple(TYPES[kind] for kind in kinds)), (where, value)  # type: ignore[arg-type]
    assert value in schema.get("enum", [value]), where
    assert value == schema.get("const", value), where
    if "minimum" in schema:
        assert value >= schema["minimum"], where
    for name in schema.get("required", ()):
        assert name in value, f"{where}.{name} is missing"
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            check(document, inner, value[name], f"{where}.{name}")
    if isinstance(value, list) and "items" in schema:
        for each in value:
            check(document, schema["items"], each, f"{where}[]")


def parameter_values(parameter: dict[str, Any]) -> st.SearchStrategy[str]:
    """Values as the document allows them, and others."""
    schema, anything = parameter["schema"], st.text(max_size=30)
    good: dict[str, list[str]] = {
        "site": ["s1.example", "s2.example"], "filters": [GOOGLE, "[]", '["contains","event:page",["/"]]',
        '["not",["is","event:goal",["Signup"]]]', '["matches","visit:exit_page",["^/b"]]'],
        "from": ["2026-10-31", "2026-11-01T10:00"], "to": ["2026-11-02", "2026-11-01T13:00"],
        "metrics": ["visitors", "visitors,events", "visits,bounce_rate"], "sort": ["-visitors", "visitors", "visits"],
        "steps": ['[{"page":"/**"},{"event":"Signup"}]'], "property": ["plan"], "event": ["Signup"], "page": ["/"],
    }  # fmt: skip
    if "enum" in schema:
        return st.sampled_from(schema["enum"]) | anything
    if schema["type"] == "integer":
        return st.integers(schema["minimum"], schema["maximum"]).map(str) | st.integers().map(str) | anything
    if schema.get("format") == "date":
        return st.dates(date(1960, 1, 1), date(2110, 1, 1)).map(date.isoformat) | anything
    known = good.get(parameter["name"])
    return st.sampled_from(known) | anything if known else anything


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whatever_is_asked_the_answer_is_as_the_document_says(web: Web, data: st.DataObject) -> None:
    document = web.http.get("/api/openapi.json").json()
    path = data.draw(st.sampled_from(sorted(set(document["paths"]) - {openapi.EVENTS_PATH})))
    ((method, operation),) = document["paths"][path].items()
    asked = {}
    for parameter in operation["parameters"]:
        if parameter["required"] or data.draw(st.integers(0, 4)) == 0:
            asked[parameter["name"]] = data.draw(parameter_values(parameter), label=parameter["name"])
    if data.draw(st.integers(0, 9)) == 0:
        asked[data.draw(st.text(min_size=1, max_size=8))] = "1"
    answer = web.http.request(method, path, params=asked)
    assert web.bugs == []
    assert str(answer.status_code) in operation["responses"] or (answer.status_code == 400 and asked), (
        answer.text
    )
    content = operation["responses"].get(str(answer.status_code), {}).get("content", {})
    kind = answer.headers["content-type"].split(";")[0]
    if kind == "application/json" and kind in content:
        check(document, content[kind]["schema"], answer.json(), path)
    else:
        assert kind in content or answer.status_code == 400


def test_a_day_of_another_site_s_zone_is_its_own(web: Web) -> None:
    body = web.http.get("/api/stats/overview", params={"site": "s2.example", "period": "day"}).json()
    assert (body["from"], body["metrics"]["pageviews"]) == ("2026-11-02", 0)
    assert date.fromisoformat(body["from"]) - timedelta(days=1) == date(2026, 11, 1)
