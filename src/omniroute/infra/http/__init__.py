"""The one HTTP client for all outside parties: it knows whether bytes may have left.

clients = RailClients(clock=..., registry=...)             one a process
http = await clients.client("mpesa", connection_id)        one a bank connection: breaker, rate, places, certificates
reply = await http.exchange(Request("POST", url, "b2c", body=..., submit=True))

`ExchangeFailed.sent` is NO only when not a byte of the request was written. `Tokens` keeps access tokens.
`refuse_private` and `public_only` guard addresses that strangers choose (webhooks of tenants).
"""

from omniroute.infra.http.addresses import PrivateAddress, check_public_url, public_only, refuse_private
from omniroute.infra.http.breaker import State as BreakerState
from omniroute.infra.http.client import RailHttp
from omniroute.infra.http.clients import RailClients
from omniroute.infra.http.limits import Limits
from omniroute.infra.http.metrics import HttpMetrics
from omniroute.infra.http.model import ExchangeFailed, HttpClient, Reply, Request, Sent
from omniroute.infra.http.redaction import REDACTED, is_secret, show_body, show_headers, show_url
from omniroute.infra.http.tls import BadTls, Tls, tls_context
from omniroute.infra.http.tokens import Tokens

__all__ = [
    "REDACTED",
    "BadTls",
    "BreakerState",
    "ExchangeFailed",
    "HttpClient",
    "HttpMetrics",
    "Limits",
    "PrivateAddress",
    "RailClients",
    "RailHttp",
    "Reply",
    "Request",
    "Sent",
    "Tls",
    "Tokens",
    "check_public_url",
    "is_secret",
    "public_only",
    "refuse_private",
    "show_body",
    "show_headers",
    "show_url",
    "tls_context",
]
