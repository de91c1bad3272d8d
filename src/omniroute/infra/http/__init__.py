"""The one HTTP client for all outside parties: it knows whether bytes may have left."""

from omniroute.infra.http.model import ExchangeFailed, HttpClient, Reply, Request, Sent

__all__ = ["ExchangeFailed", "HttpClient", "Reply", "Request", "Sent"]
