"""Settings: one frozen class per part, structured by cattrs from a TOML file, STATNIVE_* and the command line.

Precedence, highest first: command line, environment, file, defaults. An environment variable names a key with its
table: STATNIVE_WAL_COMMIT_INTERVAL_MS=20 is [wal] commit_interval_ms. An unknown key or a bad value is a ConfigError
that names the key, the value and what is allowed. Nothing outside this module reads the environment.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import cattrs

from statnive.carriers import CARRIER_ASNS
from statnive.errors import BrokenInput, ConfigError
from statnive.secret_files import refuse_if_open

MIB = 1024 * 1024


def _positive(instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if value <= 0:
        raise ConfigError(attribute.name, value, "must be more than 0")


def _at_least_zero(instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if value < 0:
        raise ConfigError(attribute.name, value, "must be 0 or more")


def _share(instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if not 0 < value <= 1:
        raise ConfigError(attribute.name, value, "must be a share, more than 0 and at most 1")


def _networks(instance: object, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    for text in value:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise ConfigError(
                attribute.name, text, f"must be a network such as 10.0.0.0/8 ({error})"
            ) from None


def _path_segment(instance: object, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    for text in value:
        if not text.startswith("/") or text == "/" or any(c in text for c in "?#% \t\r\n"):
            raise ConfigError(
                attribute.name, text, "must be a path such as /tracker.js, without ? # % or blanks"
            )


def _number(default: float, check: Callable[..., None] = _positive) -> Any:
    return attrs.field(default=default, validator=check)


@attrs.frozen
class ServerConfig:
    """[server]: the listening socket and each connection's limits."""

    listen: str = "127.0.0.1:8080"
    trusted_proxies: tuple[str, ...] = attrs.field(default=("127.0.0.0/8", "::1/128"), validator=_networks)
    dashboard_from: tuple[str, ...] = attrs.field(default=("0.0.0.0/0", "::/0"), validator=_networks)
    public_url: str = attrs.field(
        default=""
    )  # where people reach it, https://stats.example.com; "" = as they ask
    event_paths: tuple[str, ...] = attrs.field(default=("/api/event",), validator=_path_segment)
    tracker_paths: tuple[str, ...] = attrs.field(default=("/tracker.js",), validator=_path_segment)
    tls_listen: str = ""  # host:port of the TLS port; with the two files below
    tls_certificate: str = ""  # PEM: the certificate, then its chain
    tls_key: str = ""  # PEM, without a passphrase, 0600 (or 0640)
    hsts_s: int = _number(0, _at_least_zero)  # of Strict-Transport-Security; 0 = the header is not sent
    tls_connections_max: int = _number(2_000)
    connections_max: int = _number(20_000)
    slow_connections_max: int = _number(1_000)
    header_bytes_max: int = _number(16_384)
    request_deadline_s: float = _number(10.0)
    idle_deadline_s: float = _number(75.0)
    answer_deadline_s: float = _number(20.0)
    backlog: int = _number(2_048)
    queue_target_ms: float = _number(250)
    gather_ms: float = _number(1)  # requests wait for others, so that waking up costs each of them less

    @public_url.validator
    def _origin(self, attribute: attrs.Attribute[Any], value: str) -> None:
        scheme, _, host = value.partition("://")
        if value and (scheme not in ("http", "https") or not host or set(host) & set("/?#@ ")):
            raise ConfigError(attribute.name, value, "must be like https://stats.example.com, without a path")

    def __attrs_post_init__(self) -> None:
        given = {name: getattr(self, name) for name in ("tls_listen", "tls_certificate", "tls_key")}
        if any(given.values()):
            for name, value in given.items():
                if not value:
                    raise ConfigError(name, value, f"must be set: TLS needs {', '.join(given)} together")


@attrs.frozen
class IngestConfig:
    """[ingest]: what a request may hold."""

    body_bytes_max: int = _number(8_192)
    events_per_request_max: int = _number(10)
    user_agent_chars_min: int = _number(16)
    user_agent_chars_max: int = _number(500)
    cache_entries: int = _number(20_000)
    address_cache_entries: int = _number(250_000)
    visit_inactivity_s: int = _number(1_800)
    visits_max: int = _number(500_000)
    source_table: str = ""  # the operator's own sources, over those of statnive/ingest/tables/sources*.tsv


@attrs.frozen
class LimiterConfig:
    """[limiter]: token buckets, in requests a second. `keys_max` bounds the memory of the bucket table."""

    address_per_s: float = _number(100)
    address_burst: float = _number(200)
    carrier_per_s: float = _number(1_000)
    carrier_burst: float = _number(2_000)
    site_per_s: float = _number(25_000)
    keys_max: int = _number(500_000)
    carrier_asns: tuple[int, ...] = CARRIER_ASNS  # tools/carriers.txt says whose they are


@attrs.frozen
class WalConfig:
    """[wal]: the write-ahead log and its group commit."""

    segment_bytes: int = _number(64 * MIB)
    size_bytes_max: int = _number(8 * 1024 * MIB)
    refuse_at_share: float = _number(0.8, _share)
    commit_interval_ms: float = attrs.field(default=20.0)
    commit_gap_ms: float = _number(3, _at_least_zero)
    commit_rows: int = _number(256)
    keep_s: float = _number(1_800, _at_least_zero)

    @commit_interval_ms.validator
    def _at_most_100(self, attribute: attrs.Attribute[Any], value: float) -> None:
        if not 0 < value <= 100:
            raise ConfigError(
                attribute.name, value, "must be more than 0 and at most 100 (an event waits this long)"
            )


@attrs.frozen
class WriterConfig:
    """[writer]: blocks into ClickHouse."""

    block_rows_max: int = _number(100_000)
    block_bytes_max: int = _number(64 * MIB)
    block_interval_ms: float = _number(1_000)
    retry_first_ms: float = _number(200)
    retry_max_ms: float = _number(10_000)
    insert_deadline_s: float = _number(300)


@attrs.frozen
class ClickHouseConfig:
    """[clickhouse]: "embedded" is chDB inside the data directory; http(s)://user:password@host:port is a server, which
    dashboards may read with a user of their own (statnive/clickhouse/reader_user.py says what it must be like).
    """

    url: str = attrs.field(default="embedded", repr=False)
    database: str = attrs.field(default="statnive")
    cluster: str = attrs.field(default="")
    memory_bytes_max: int = _number(2 * 1024 * MIB)
    query_threads: int = _number(2)
    query_deadline_s: float = _number(10)
    reader_user: str = ""
    reader_password_file: str = ""

    def __attrs_post_init__(self) -> None:
        if self.reader_password_file and not self.reader_user:
            raise ConfigError(
                "reader_password_file", self.reader_password_file, "needs clickhouse.reader_user beside it"
            )
        if self.reader_user and self.url == "embedded":
            raise ConfigError(
                "reader_user",
                self.reader_user,
                'is for a server: with clickhouse.url = "embedded" readers are read-only as it is',
            )

    @url.validator
    def _known_scheme(self, attribute: attrs.Attribute[Any], value: str) -> None:
        if value != "embedded" and not value.startswith(("http://", "https://")):
            raise ConfigError(
                attribute.name, value, 'must be "embedded", http://host:port or https://host:port'
            )

    @database.validator
    def _identifier(self, attribute: attrs.Attribute[Any], value: str) -> None:
        if not (value.isascii() and value.isidentifier()):
            raise ConfigError(attribute.name, value, "must be letters, digits and _")

    @cluster.validator
    def _cluster_name(self, attribute: attrs.Attribute[Any], value: str) -> None:
        if value and not (value.isascii() and value.replace("-", "_").isidentifier()):
            raise ConfigError(attribute.name, value, "must be letters, digits, _ and -")


@attrs.frozen
class GeoConfig:
    """[geo]: MaxMind-format databases. "" = the ones that statnive brings along, "none" = no look-ups."""

    city_database: str = ""
    asn_database: str = ""


@attrs.frozen
class AuditConfig:
    """[audit]: what the auditor checks by itself, and its file."""

    file_bytes_max: int = _number(16 * MIB)
    files_kept: int = _number(8)
    sums_interval_s: float = _number(300)
    drift_check_interval_s: float = _number(3_600)
    drops_kept: int = _number(200)
    unknown_hosts_kept: int = _number(200)


@attrs.frozen
class ApiConfig:
    """[api]: what each token may ask."""

    requests_per_hour: int = _number(600)
    events_per_s: float = _number(500)  # of a token with events:write; twice as many at once


@attrs.frozen
class AuthConfig:
    """[auth]: who may look at the dashboard. "open" asks nobody, and is for this machine only."""

    mode: str = attrs.field(default="accounts")
    session_idle_s: int = _number(7 * 86_400)
    session_life_s: int = _number(30 * 86_400)
    setup_link_s: int = _number(86_400)
    password_memory_kib: int = _number(47_104)  # with three passes about 100 ms on one core (measured)
    password_passes: int = _number(3)

    @mode.validator
    def _known_mode(self, attribute: attrs.Attribute[Any], value: str) -> None:
        if value not in ("accounts", "open"):
            raise ConfigError(attribute.name, value, 'must be "accounts" or "open"')

    @password_memory_kib.validator
    def _enough_memory(self, attribute: attrs.Attribute[Any], value: int) -> None:
        if not 1_024 <= value <= 4 * 1024 * 1024:
            raise ConfigError(attribute.name, value, "must be from 1024 to 4194304 KiB")


@attrs.frozen
class Config:
    """Everything a node is told from outside."""

    data_dir: Path = Path("data")
    server: ServerConfig = attrs.field(factory=ServerConfig)
    ingest: IngestConfig = attrs.field(factory=IngestConfig)
    limiter: LimiterConfig = attrs.field(factory=LimiterConfig)
    wal: WalConfig = attrs.field(factory=WalConfig)
    writer: WriterConfig = attrs.field(factory=WriterConfig)
    clickhouse: ClickHouseConfig = attrs.field(factory=ClickHouseConfig)
    geo: GeoConfig = attrs.field(factory=GeoConfig)
    audit: AuditConfig = attrs.field(factory=AuditConfig)
    api: ApiConfig = attrs.field(factory=ApiConfig)
    auth: AuthConfig = attrs.field(factory=AuthConfig)

    def __attrs_post_init__(self) -> None:
        """What two parts must agree on."""
        for listen in (self.server.listen, self.server.tls_listen):
            if self.auth.mode == "open" and listen and not is_loopback(listen):
                allowed = f"needs a server.listen on this machine only, not {listen}"
                raise ConfigError("auth.mode", "open", allowed)


PARTS: dict[str, type] = {
    "server": ServerConfig,
    "ingest": IngestConfig,
    "limiter": LimiterConfig,
    "wal": WalConfig,
    "writer": WriterConfig,
    "clickhouse": ClickHouseConfig,
    "geo": GeoConfig,
    "audit": AuditConfig,
    "api": ApiConfig,
    "auth": AuthConfig,
}
_CONVERTER = cattrs.Converter(forbid_extra_keys=True)


def load(
    file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Mapping[str, object]]
) -> Config:
    """The Config from a TOML file, the environment and `overrides` ({"": {"data_dir": …}, "server": {…}}).

    Raises ConfigError for an unreadable file, an unknown table or key, or a value that is not allowed.
    """
    tables: dict[str, dict[str, object]] = {"": {}}
    for source in (_read_file(file) if file else {}, _read_environment(environment), overrides):
        for table, values in source.items():
            tables.setdefault(table, {}).update(values)
    parts: dict[str, Any] = {}
    for table, values in tables.items():
        if table:
            parts[table] = _structure(table, values)
    top = tables[""]
    unknown = sorted(set(top) - {"data_dir"})
    if unknown:
        raise ConfigError(unknown[0], top[unknown[0]], f"unknown key; allowed: data_dir, {', '.join(PARTS)}")
    if "data_dir" in top:
        parts["data_dir"] = Path(str(top["data_dir"]))
    config = Config(**parts)
    _check_together(config)
    return config


def _check_together(config: Config) -> None:
    """What two tables must agree on. Raises ConfigError."""
    keep_s, inactivity_s = config.wal.keep_s, config.ingest.visit_inactivity_s
    if keep_s < inactivity_s:
        raise ConfigError(
            "wal.keep_s",
            keep_s,
            f"must be at least ingest.visit_inactivity_s ({inactivity_s}): after a crash the open visits are found "
            "in the log, and nowhere else",
        )


def _read_file(file: Path) -> dict[str, dict[str, object]]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("--config", str(file), f"can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("--config", str(file), f"is not TOML: {error}") from None
    _refuse_open_password(file, document)
    tables: dict[str, dict[str, object]] = {"": {}}
    for key, value in document.items():
        if isinstance(value, dict):
            tables[key] = value
        else:
            tables[""][key] = value
    return tables


def _refuse_open_password(file: Path, document: Mapping[str, Any]) -> None:
    """A file that holds a password is for its owner, or its owner's group, alone. Raises ConfigError."""
    clickhouse = document.get("clickhouse")
    url = clickhouse.get("url", "") if isinstance(clickhouse, dict) else ""
    if isinstance(url, str) and "@" in url:
        try:
            refuse_if_open(file, group_may_read=True)
        except BrokenInput as broken:
            raise ConfigError(
                "--config", str(file), f"holds the password of clickhouse.url: {broken}"
            ) from None


def _read_environment(environment: Mapping[str, str]) -> dict[str, dict[str, object]]:
    tables: dict[str, dict[str, object]] = {"": {}}
    for variable, text in environment.items():
        if not variable.startswith("STATNIVE_"):
            continue
        name = variable.removeprefix("STATNIVE_").lower()
        table = next((part for part in PARTS if name.startswith(part + "_")), "")
        key = name.removeprefix(table + "_") if table else name
        tables.setdefault(table, {})[key] = text
    return tables


def _structure(table: str, values: Mapping[str, object]) -> object:
    if table not in PARTS:
        raise ConfigError(f"[{table}]", dict(values), f"unknown table; allowed: {', '.join(PARTS)}")
    part = PARTS[table]
    fields = {field.name: field for field in attrs.fields(part)}
    ready: dict[str, object] = {}
    for key, value in values.items():
        if key not in fields:
            raise ConfigError(f"{table}.{key}", value, f"unknown key; allowed: {', '.join(fields)}")
        ready[key] = _convert(f"{table}.{key}", value, fields[key])
    try:
        return part(**ready)
    except ConfigError as error:
        raise ConfigError(f"{table}.{error.key}", error.value, error.allowed) from None


def _convert(key: str, value: object, field: attrs.Attribute[Any]) -> object:
    """`value` as the field's type; text (from the environment) is read as a number or a comma list where due."""
    kind = str(field.type)
    try:
        if kind.startswith("tuple"):
            items = (
                [item.strip() for item in value.split(",") if item.strip()]
                if isinstance(value, str)
                else value
            )
            return _CONVERTER.structure(items, tuple[int, ...] if "int" in kind else tuple[str, ...])
        if kind == "str":
            if not isinstance(value, str):
                raise ValueError("text")
            return value
        if isinstance(value, bool):
            raise ValueError("number")
        number = float(value)  # type: ignore[arg-type]
        if kind == "int":
            if number != int(number):
                raise ValueError("whole number")
            return int(number)
        return number
    except Exception as error:
        raise ConfigError(key, value, f"must be of type {kind} ({error})") from None


def is_loopback(listen: str) -> bool:
    """Whether "host:port" is of this machine only."""
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def default_text(default: object) -> str:
    """A default as the documents show it."""
    if isinstance(default, tuple):
        return (
            f"{len(default)} AS numbers"
            if default and isinstance(default[0], int)
            else ", ".join(map(str, default))
        )
    return str(default) if default != "" else "(empty)"
