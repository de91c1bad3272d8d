"""The rail's published test numbers, and the environments it runs in."""

from collections.abc import Mapping
from datetime import timedelta

CURRENCIES: Mapping[str, str] = {
    "sandbox": "EUR", "mtnbenin": "XOF", "mtncameroon": "XAF", "mtncongo": "XAF", "mtnghana": "GHS",
    "mtnguineaconakry": "GNF", "mtnivorycoast": "XOF", "mtnliberia": "LRD", "mtnnigeria": "NGN", "mtnrwanda": "RWF",
    "mtnsouthafrica": "ZAR", "mtnsouthsudan": "SSP", "mtnswaziland": "SZL", "mtnuganda": "UGX", "mtnzambia": "ZMW",
}  # fmt: skip

ONGOING, DELAYED = "46733123453", "46733123454"
WAITS: Mapping[str, timedelta] = {ONGOING: timedelta(days=3650), DELAYED: timedelta(seconds=30)}
"""Numbers whose orders take their time; the first for ever."""

FAILS: Mapping[str, str] = {
    "46733123450": "INTERNAL_PROCESSING_ERROR",
    "46733123451": "APPROVAL_REJECTED",
    "46733123452": "EXPIRED",
    "46733123455": "NOT_ENOUGH_FUNDS",
    "46733123456": "PAYER_LIMIT_REACHED",
    "46733123457": "PAYEE_NOT_FOUND",
    "46733123458": "NOT_ALLOWED",
    "46733123459": "NOT_ALLOWED_TARGET_ENVIRONMENT",
    "46733123460": "INVALID_CALLBACK_URL_HOST",
    "46733123461": "INVALID_CURRENCY",
    "46733123462": "INTERNAL_PROCESSING_ERROR",
    "46733123463": "SERVICE_UNAVAILABLE",
    "46733123464": "TRANSFER_TYPE_UNKNOWN",
}
"""Numbers whose transfers fail, with the reason the rail gives."""

HOLDERS: Mapping[str, tuple[int, str] | None] = {
    "46733123450": (404, "RESOURCE_NOT_FOUND"),
    "46733123451": None,
    "46733123452": (500, "NOT_ALLOWED"),
    "46733123453": (500, "NOT_ALLOWED_TARGET_ENVIRONMENT"),
    "46733123454": (500, "INTERNAL_PROCESSING_ERROR"),
    "46733123455": (503, "SERVICE_UNAVAILABLE"),
    "notfound@email.com": (404, "RESOURCE_NOT_FOUND"),
    "notactive@email.com": None,
    "notallowed@email.com": (500, "NOT_ALLOWED"),
    "notallowedtargetenvironment@email.com": (500, "NOT_ALLOWED_TARGET_ENVIRONMENT"),
    "internalprocessingerror@email.com": (500, "INTERNAL_PROCESSING_ERROR"),
    "serviceunavailable@email.com": (503, "SERVICE_UNAVAILABLE"),
}
"""Holders that are not just active: None is not active, the rest are errors."""
