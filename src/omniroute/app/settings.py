"""Settings of every process, from `OMNIROUTE_*` variables and an optional TOML file.

A variable wins over the file, the file over the default. A name we do not know and a value we cannot read are refused
by name, all at once. Secrets never show: not in `repr`, not in logs, not in `omniroute doctor`.
"""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from omniroute.kit.networks import read_networks
from omniroute.kit.refusal import Kind, Refusal

PREFIX = "OMNIROUTE_"
CONFIG = "OMNIROUTE_CONFIG"
TESTS = "OMNIROUTE_TEST_"
"""Variables of the test suite and the benchmarks; no process reads them."""

Check = Callable[[Any], str | None]


class BadSettings(Refusal):
    """The settings are wrong; each problem is named, with what was expected."""

    code = "app.bad_settings"
    kind = Kind.INVALID


def between(low: int, high: int) -> Check:
    """A number in this range."""
    return lambda value: None if low <= value <= high else f"expected {low} to {high}"


def address(*schemes: str) -> Check:
    """An address of one of these schemes, or nothing."""

    def check(value: str) -> str | None:
        if not value or urlsplit(value).scheme in schemes:
            return None
        return "expected an address that starts with " + " or ".join(f"{scheme}://" for scheme in schemes)

    return check


def setting(default: object, doc: str, *, check: Check | None = None, secret: bool = False) -> Any:
    """A field of `Settings`: default, one sentence for docs/settings.md, and how to tell a wrong value."""
    return field(default=default, repr=not secret, metadata={"doc": doc, "check": check, "secret": secret})


def networks(value: str) -> str | None:
    """A list of networks, as 10.0.0.0/8."""
    try:
        read_networks(value)
    except ValueError as error:
        return f"expected networks such as 10.0.0.0/8, with commas between them: {error}"
    return None


POSTGRES = address("postgresql", "postgres")
HTTP = address("http", "https")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting there is. Frozen: a process reads them once, when it starts."""

    database_url: str = setting(
        "",
        "PostgreSQL 15 or newer, as `postgresql://login:password@host/database`. Empty: `omniroute up` starts an "
        "embedded server in `data_dir`.",
        check=POSTGRES,
        secret=True,
    )
    database_owner_url: str = setting(
        "", "Login that runs migrations; empty takes `database_url`.", check=POSTGRES, secret=True
    )
    database_worker_url: str = setting(
        "", "Login of background work; empty takes `database_url`.", check=POSTGRES, secret=True
    )
    data_dir: str = setting(
        "", "Folder of the embedded server. Empty: /var/lib/omniroute for root, else the user's data folder."
    )
    database_pool_size_max: int = setting(10, "Connections one process opens at most.", check=between(2, 500))
    database_acquire_timeout_s: int = setting(10, "Wait for a free connection.", check=between(1, 300))
    database_statement_timeout_ms: int = setting(
        30_000, "PostgreSQL ends a longer statement.", check=between(100, 3_600_000)
    )
    database_lock_timeout_ms: int = setting(
        5_000, "PostgreSQL ends a longer wait for a lock.", check=between(10, 600_000)
    )
    database_idle_timeout_ms: int = setting(
        30_000, "PostgreSQL ends a transaction that idles longer.", check=between(1_000, 3_600_000)
    )
    http_host: str = setting("127.0.0.1", "Address to listen on.")
    http_port: int = setting(8080, "Port to listen on; 0 takes a free one.", check=between(0, 65_535))
    http_backlog: int = setting(2_048, "Connections the kernel keeps waiting for us.", check=between(16, 65_535))
    http_connections_max: int = setting(
        10_000,
        "Open connections of all clients together, those that idle and those of subscribers too; beyond it new ones "
        "wait until one ends. The limit of open files is raised to this, as far as the system allows.",
        check=between(16, 1_000_000),
    )
    http_drain_s: int = setting(15, "On SIGTERM: time that open requests get to finish.", check=between(0, 600))
    http_access_log: bool = setting(False, "Log one line a request.")
    trusted_proxies: str = setting(
        "",
        "Networks of the proxies before us, as `10.0.0.0/8, 2001:db8::/32`. From them alone the client's address is "
        "taken out of `trusted_proxy_header`; empty believes nobody.",
        check=networks,
    )
    trusted_proxy_header: Literal["x-forwarded-for", "forwarded"] = setting(
        "x-forwarded-for", "The header these proxies append the client's address to. The other one is not believed."
    )
    public_url: str = setting("", "Address under which the world sees us, for links and redirects.", check=HTTP)
    request_bytes_max: int = setting(1_048_576, "Largest request body.", check=between(1_024, 1 << 30))
    bulk_bytes_max: int = setting(16_777_216, "Largest body of a bulk request.", check=between(1_024, 1 << 31))
    group_window_ms: int = setting(
        0,
        "Group commit: how long a first posting waits for companions when no call is under way; 0 goes at once.",
        check=between(0, 1_000),
    )
    group_size_max: int = setting(512, "Group commit: postings in one call to the database.", check=between(1, 5_000))
    group_queue_max: int = setting(
        10_000,
        "Group commit: postings waiting; beyond it callers get 503 and Retry-After.",
        check=between(1, 1_000_000),
    )
    group_lanes: int = setting(
        4, "Group commit: calls to the database at one time, one for an organisation.", check=between(1, 32)
    )
    disk_free_bytes_min: int = setting(
        268_435_456, "Free space of `data_dir` below which `/readiness` says no.", check=between(0, 1 << 50)
    )
    jwt_issuer: str = setting(
        "", "Issuer of the access tokens we sign; empty takes `public_url`, else a name for trying things out."
    )
    allow_loopback_oidc: bool = setting(
        False, "Fetch keys of outside identity providers from this machine too, over http. For development only."
    )
    allow_loopback_webhooks: bool = setting(
        False, "Send events to addresses of this machine too, also over http. For development only."
    )
    webhook_in_flight_max: int = setting(
        200, "Webhook messages one process sends at a time; an organisation gets a fifth.", check=between(5, 2_000)
    )
    webhook_disable_after_days: int = setting(
        5, "A webhook endpoint that takes nothing for so long is disabled.", check=between(1, 365)
    )
    webhook_log_days: int = setting(
        30, "How long deliveries to webhook endpoints stay in their log.", check=between(4, 3_650)
    )
    bank_files_dir: str = setting(
        "", "Folder in which files are exchanged with banks; empty: `bank-files` in `data_dir`."
    )
    secrets_provider: Literal["file", "pkcs11"] = setting(
        "file", "Where the master keys of stored credentials are kept: in a folder, or in a hardware security module."
    )
    secrets_dir: str = setting(
        "", "Folder of the master keys; empty: `keys` in `data_dir`. Keep its copies apart from those of the database."
    )
    secrets_pkcs11_module: str = setting("", "PKCS#11 library of the security module, as a path.")
    secrets_pkcs11_token: str = setting("", "Label of its token; empty takes `secrets_pkcs11_slot`.")
    secrets_pkcs11_slot: int = setting(
        -1, "Slot of its token, where it is not named by label.", check=between(-1, 1 << 62)
    )
    secrets_pkcs11_label: str = setting("omniroute", "Keys are named by this label and a number.")
    secrets_pkcs11_pin_file: str = setting("", "File that holds the PIN of the token.")
    secrets_pkcs11_pin: str = setting("", "PIN of the token, where it is not in a file.", secret=True)
    actions_secret: str = setting(
        "",
        "Secret that a Hasura engine sends as `X-Omniroute-Actions-Secret` to the action handlers; then its session "
        "variables are believed. Empty: the handlers take credentials of the caller only.",
        secret=True,
    )
    graphql_enabled: bool = setting(True, "Serve GraphQL at `/v1/graphql`.")
    graphql_metadata_dir: str = setting(
        "",
        "Folder of Hasura metadata (version 3) that is served; empty: the product's own. SIGHUP reads it again.",
    )
    graphql_page: bool = setting(True, "Serve GraphiQL at `/v1/graphiql`, for trying out queries in a browser.")
    graphql_admin_secret: str = setting(
        "",
        "Secret for `X-Hasura-Admin-Secret`: who sends it takes any role and organisation by X-Hasura-* headers. "
        "Empty: nobody does.",
        check=lambda value: None if not value or len(value) >= 16 else "expected at least 16 characters",
        secret=True,
    )
    graphql_unauthorized_role: str = setting(
        "", "Role of requests without credentials, such as `anonymous`; empty refuses them."
    )
    allow_private_handlers: bool = setting(
        False,
        "Let GraphQL call handlers of actions and triggers at addresses that are not public, and over http, as inside "
        "of a private network.",
    )
    graphql_repeatable_actions: str = setting(
        "queueBulkPayment",
        "Names of asynchronous actions, with commas between them, whose handler does nothing twice: after a crash they "
        "are called again. Of others it is told that nobody knows.",
    )
    graphql_connections_max: int = setting(
        2_000, "WebSocket connections of one process; further ones are closed with 1013.", check=between(0, 1_000_000)
    )
    graphql_connection_operations_max: int = setting(
        100,
        "Subscriptions and other operations of one WebSocket connection at a time; further ones are refused.",
        check=between(1, 100_000),
    )
    graphql_subscriptions_max: int = setting(
        10_000, "Subscriptions of one process; further ones are refused.", check=between(0, 1_000_000)
    )
    graphql_refresh_interval_ms: int = setting(
        25,
        "Subscriptions: how often the event log is looked at while somebody subscribes; no result is fresher.",
        check=between(5, 60_000),
    )
    graphql_refresh_without_events_s: int = setting(
        10,
        "Subscriptions: everything is asked again so often although no event came, for what changes without one.",
        check=between(1, 3_600),
    )
    graphql_log_days: int = setting(
        30,
        "How long asynchronous actions that are over, deliveries of triggers and their dead letters are kept.",
        check=between(1, 3_650),
    )
    graphql_allow_list: bool = setting(
        False, "Execute only documents on the metadata's allow list; the admin secret is not bound by it."
    )
    graphql_stringify_numerics: bool = setting(
        False, "Show numbers that JavaScript would round (bigint, numeric, double precision) as strings."
    )
    sandbox_port: int = setting(
        8801,
        "`omniroute up` runs the sandbox of rails on this port and those after it; -1 leaves it out.",
        check=between(-1, 65_500),
    )
    payment_exchanges_max: int = setting(
        200, "Exchanges with rails that one worker has under way at most.", check=between(1, 10_000)
    )
    worker_payment_interval_ms: int = setting(
        100, "Payments: pause of a background job after a round that found nothing.", check=between(5, 60_000)
    )
    event_retention_days: int = setting(
        0,
        "Sealed events older than this are removed, those of the ledger never; 0 keeps everything.",
        check=between(0, 36_500),
    )
    ledger_key_retention_hours: int = setting(
        720,
        "How long idempotency keys of postings are remembered; the API promises 30 days. A later repeat is a new "
        "posting, unless it names a reference.",
        check=between(24, 876_000),
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "Least severe line that is written.")
    log_format: Literal["json", "text"] = setting("json", "`json` for machines, `text` for a terminal.")
    otel_endpoint: str = setting("", "OTLP/HTTP collector for traces; empty switches tracing off.", check=HTTP)
    otel_sample_percent: int = setting(10, "Share of traces that is kept.", check=between(0, 100))
    worker_http_port: int = setting(
        -1,
        "`omniroute worker` answers `/health`, `/readiness` and `/metrics` on this port of `http_host`; 0 takes a free "
        "one, -1 leaves it out.",
        check=between(-1, 65_535),
    )
    worker_interval_ms: int = setting(
        500, "Background work: pause after a round that found nothing.", check=between(10, 600_000)
    )
    worker_snapshot_interval_s: int = setting(
        3_600, "Background work: pause between snapshots of balances.", check=between(1, 604_800)
    )
    worker_retention_interval_s: int = setting(
        600, "Background work: pause between purges of expired replies and events.", check=between(1, 604_800)
    )

    @property
    def data_folder(self) -> Path:
        """Where data is kept."""
        if self.data_dir:
            return Path(self.data_dir).expanduser().absolute()
        from omniroute.infra.postgres import default_folder  # It is slow to load, and most commands can do without.

        return default_folder().parent

    @property
    def bank_files_folder(self) -> Path:
        """Where files are exchanged with banks."""
        return (
            Path(self.bank_files_dir).expanduser().absolute()
            if self.bank_files_dir
            else self.data_folder / "bank-files"
        )

    @property
    def secrets_folder(self) -> Path:
        """Where master keys are kept, if in files."""
        return Path(self.secrets_dir).expanduser().absolute() if self.secrets_dir else self.data_folder / "keys"

    def shown(self) -> dict[str, str | int | bool]:
        """Every value as it may be shown: secrets keep only host and database."""
        return {name: _shown(spec, getattr(self, name)) for name, spec in SPECS.items()}


@dataclass(frozen=True, slots=True)
class Spec:
    """What is known about one setting."""

    name: str
    kind: Any
    default: Any
    doc: str
    check: Check | None
    secret: bool

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return PREFIX + self.name.upper()

    @property
    def expected(self) -> str:
        """What kind of value is expected, in words."""
        if get_origin(self.kind) is Literal:
            return "one of " + ", ".join(get_args(self.kind))
        return {int: "a whole number", bool: "true or false", str: "text"}[self.kind]


def _specs() -> dict[str, Spec]:
    hints = get_type_hints(Settings)
    return {item.name: Spec(item.name, hints[item.name], item.default, **item.metadata) for item in fields(Settings)}


SPECS: dict[str, Spec] = _specs()


def load_settings(environment: Mapping[str, str] | None = None, config: Path | None = None) -> Settings:
    """Read the settings. `config` (or OMNIROUTE_CONFIG) names the TOML file.

    Raises: BadSettings, naming every problem.
    """
    environment = os.environ if environment is None else environment
    problems: list[str] = []
    values: dict[str, Any] = {}
    path = config or (Path(environment[CONFIG]) if environment.get(CONFIG) else None)
    for name, raw in _from_file(path, problems).items():
        spec = SPECS.get(name)
        if spec is None:
            problems.append(f"{path}: unknown setting {name}{_nearest(name, SPECS)}")
        else:
            _take(spec, raw, f"{path}: {name}", values, problems)
    variables = {spec.variable: spec for spec in SPECS.values()}
    for name, text in sorted(environment.items()):
        if not name.startswith(PREFIX) or name == CONFIG or name.startswith(TESTS):
            continue
        if name not in variables:
            problems.append(f"unknown variable {name}{_nearest(name, variables)}")
        else:
            _take(variables[name], text, name, values, problems)
    if problems:
        raise BadSettings("; ".join(problems), problems=problems)
    return Settings(**values)


def _from_file(path: Path | None, problems: list[str]) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(f"{path}: {error.strerror}")
    except ValueError as error:
        problems.append(f"{path}: not TOML: {error}")
    return {}


def _take(spec: Spec, raw: Any, where: str, values: dict[str, Any], problems: list[str]) -> None:
    try:
        value = _read(spec, raw)
    except ValueError:
        got = "" if spec.secret else f", got {str(raw)[:60]!r}"
        problems.append(f"{where}: expected {spec.expected}{got}")
        return
    wrong = spec.check(value) if spec.check else None
    if wrong:
        problems.append(f"{where}: {wrong}" + ("" if spec.secret else f", got {str(raw)[:60]!r}"))
    else:
        values[spec.name] = value


def _read(spec: Spec, raw: Any) -> Any:
    """Raises: ValueError."""
    if spec.kind is bool:
        if isinstance(raw, bool):
            return raw
        known = {
            "true": True,
            "1": True,
            "yes": True,
            "on": True,
            "false": False,
            "0": False,
            "no": False,
            "off": False,
        }
        word = _text(raw).lower()
        if word not in known:
            raise ValueError
        return known[word]
    if spec.kind is int:
        if type(raw) is int:
            return raw
        text = _text(raw)
        if not text.isascii() or not text.removeprefix("-").isdigit():
            raise ValueError
        return int(text)
    text = _text(raw)
    if get_origin(spec.kind) is Literal and text not in get_args(spec.kind):
        raise ValueError
    return text


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise ValueError
    return raw.strip()


def _nearest(name: str, known: Mapping[str, object]) -> str:
    found = get_close_matches(name, list(known), n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def _shown(spec: Spec, value: str | int | bool) -> str | int | bool:
    if not spec.secret or not value:
        return value
    return without_password(str(value)) if "://" in str(value) else "[set]"


def without_password(url: str) -> str:
    """An address that may be shown: login, password and parameters left out."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
