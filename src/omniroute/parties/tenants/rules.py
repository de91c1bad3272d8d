"""Decisions of tenants: what a well-formed organisation is. Values in, value or refusal out."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import date
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from omniroute.kit.currency import exponent
from omniroute.parties.tenants.errors import MalformedTenant
from omniroute.parties.tenants.model import Branding, LinkScope, Settings

_SLUG = re.compile(r"[a-z][a-z0-9-]{1,46}[a-z0-9]", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", re.ASCII)
_RESIDENCY = re.compile(r"[a-z0-9][a-z0-9-]{1,31}", re.ASCII)
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)
_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?", re.ASCII)
RESERVED_SLUGS = frozenset(
    {
        "platform", "api", "admin", "docs", "health", "readiness", "metrics", "oauth", "organisations",
        "graphql", "graphiql",
    }
)  # fmt: skip
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
APPLICATION_KINDS = ("web", "mobile", "server", "pos", "erp", "channel", "other")
HOLIDAYS_MAX = 400
CUSTOM_CHARACTERS_MAX = 32_768

# ISO 3166-1 alpha-2.
_COUNTRIES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY "
    "BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK "
    "FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR "
    "IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK "
    "ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM "
    "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF "
    "TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
)
COUNTRIES = frozenset(_COUNTRIES.split())


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones()) | {"UTC"}


def check_slug(slug: str) -> str:
    """A slug: 3 to 48 small letters, digits and hyphens, no reserved word, nothing that looks like an id.

    Raises: MalformedTenant.
    """
    if not _SLUG.fullmatch(slug) or "--" in slug or slug in RESERVED_SLUGS:
        raise MalformedTenant(
            field="slug", expected="3 to 48 of a-z, 0-9 and single hyphens, first a letter, not reserved"
        )
    return slug


def check_name(name: str, *, field: str = "name", length_max: int = 200) -> str:
    """A name people read, without blanks around it.

    Raises: MalformedTenant.
    """
    clean = name.strip()
    if not 1 <= len(clean) <= length_max or not clean.isprintable():
        raise MalformedTenant(field=field, expected=f"1 to {length_max} printable characters")
    return clean


def check_code(code: str) -> str:
    """A code of a branch or application, unique in its organisation.

    Raises: MalformedTenant.
    """
    if not _CODE.fullmatch(code):
        raise MalformedTenant(field="code", expected="1 to 40 letters, digits, dots, hyphens or underscores")
    return code


def check_country(country: str) -> str:
    """Raises: MalformedTenant."""
    if country not in COUNTRIES:
        raise MalformedTenant(field="country", expected="an ISO 3166 code of two capital letters, such as KE")
    return country


def check_currency(currency: str) -> str:
    """Raises: kit.UnknownCurrency."""
    exponent(currency)
    return currency


def check_time_zone(time_zone: str) -> str:
    """Raises: MalformedTenant."""
    if time_zone not in _time_zones():
        raise MalformedTenant(field="time_zone", expected="an IANA name, such as Africa/Nairobi")
    return time_zone


def check_residency(residency: str) -> str:
    """Raises: MalformedTenant."""
    if not _RESIDENCY.fullmatch(residency):
        raise MalformedTenant(field="residency", expected="2 to 32 of a-z, 0-9 and hyphens, such as ke or eu-west")
    return residency


def check_kind(kind: str) -> str:
    """Raises: MalformedTenant."""
    if kind not in APPLICATION_KINDS:
        raise MalformedTenant(field="kind", expected=" ".join(APPLICATION_KINDS))
    return kind


def read_settings(given: Mapping[str, Any]) -> Settings:
    """Settings from JSON. A key we do not know is refused by name; a missing one gets its default.

    Raises: MalformedTenant.
    """
    _check_known(given, Settings, "settings")
    base = Settings()
    business_days = given.get("business_days", list(base.business_days))
    holidays = given.get("holidays", [])
    _check(isinstance(business_days, list) and business_days and set(map(str, business_days)) <= set(DAYS),
           "settings.business_days", "some of " + " ".join(DAYS))  # fmt: skip
    _check(isinstance(holidays, list) and len(holidays) <= HOLIDAYS_MAX and all(_is_date(day) for day in holidays),
           "settings.holidays", f"at most {HOLIDAYS_MAX} dates such as 2026-12-25")  # fmt: skip
    locale = given.get("locale", base.locale)
    _check(isinstance(locale, str) and _LOCALE.fullmatch(locale), "settings.locale", "a language tag such as en-KE")
    week_starts_on = given.get("week_starts_on", base.week_starts_on)
    _check(week_starts_on in DAYS, "settings.week_starts_on", "one of " + " ".join(DAYS))
    return Settings(
        locale=locale,
        week_starts_on=week_starts_on,
        business_days=tuple(day for day in DAYS if day in business_days),
        holidays=tuple(sorted({date.fromisoformat(day) for day in holidays})),
        session_ttl_minutes=_whole(given, "session_ttl_minutes", base.session_ttl_minutes, 5, 1440),
        invitation_ttl_hours=_whole(given, "invitation_ttl_hours", base.invitation_ttl_hours, 1, 720),
    )


def settings_json(settings: Settings) -> dict[str, Any]:
    """Settings as they are stored and shown."""
    return {
        "locale": settings.locale,
        "week_starts_on": settings.week_starts_on,
        "business_days": list(settings.business_days),
        "holidays": [day.isoformat() for day in settings.holidays],
        "session_ttl_minutes": settings.session_ttl_minutes,
        "invitation_ttl_hours": settings.invitation_ttl_hours,
    }


def read_branding(given: Mapping[str, Any]) -> Branding:
    """Branding from JSON.

    Raises: MalformedTenant.
    """
    _check_known(given, Branding, "branding")
    for key, value in given.items():
        _check(
            value is None or (isinstance(value, str) and len(value) <= 500), f"branding.{key}", "a short text or null"
        )
    for key in ("primary_colour", "secondary_colour"):
        _check(given.get(key) is None or _COLOUR.fullmatch(given[key]), f"branding.{key}", "a colour such as #0a7d4f")
    logo_url = given.get("logo_url")
    if logo_url is not None:
        _check(_is_https(logo_url), "branding.logo_url", "an https:// address")
    name = given.get("name")
    return Branding(
        name=None if name is None else check_name(name, field="branding.name"),
        primary_colour=_lower(given.get("primary_colour")),
        secondary_colour=_lower(given.get("secondary_colour")),
        logo_url=logo_url,
    )


def branding_json(branding: Branding) -> dict[str, str | None]:
    """Branding as it is stored and shown."""
    return {field.name: getattr(branding, field.name) for field in fields(Branding)}


def check_custom(custom: Mapping[str, Any]) -> dict[str, Any]:
    """Free settings: any JSON object of at most 32,768 characters.

    Raises: MalformedTenant.
    """
    try:
        text = json.dumps(custom, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MalformedTenant(field="custom", expected="a JSON object") from error
    _check(len(text) <= CUSTOM_CHARACTERS_MAX and "\\u0000" not in text, "custom",
           f"at most {CUSTOM_CHARACTERS_MAX} characters, none of them NUL")  # fmt: skip
    return dict(custom)


def check_link_scopes(scopes: Collection[str]) -> list[str]:
    """Raises: MalformedTenant."""
    _check(set(scopes) <= set(LinkScope), "scopes", "some of " + " ".join(LinkScope))
    return sorted(set(map(str, scopes)))


def _check(ok: object, field: str, expected: str) -> None:
    if not ok:
        raise MalformedTenant(field=field, expected=expected)


def _check_known(given: Mapping[str, Any], kind: type, field: str) -> None:
    unknown = sorted(set(map(str, given)) - {known.name for known in fields(kind)})
    if unknown:
        raise MalformedTenant(field=f"{field}.{unknown[0][:64]}", expected="a known key; free ones go to custom")


def _whole(given: Mapping[str, Any], key: str, default: int, low: int, high: int) -> int:
    value = given.get(key, default)
    _check(type(value) is int and low <= value <= high, f"settings.{key}", f"a whole number from {low} to {high}")
    return int(value)


def _is_date(value: object) -> bool:
    try:
        return isinstance(value, str) and len(value) == 10 and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.username is None and url.isprintable()
    except ValueError:
        return False


def _lower(colour: str | None) -> str | None:
    return None if colour is None else colour.lower()
