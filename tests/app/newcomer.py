"""What a newcomer does with a system that has just started: an organisation, two people, money, a bank."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx

from tests.app.commands import Running

SLUG, PASSWORD = "maziwa", "correct horse battery staple"


@dataclass
class Receiver:
    """Takes whatever is sent to it."""

    url: str
    got: list[tuple[str, bytes]] = field(default_factory=list)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver("")

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *values: Any) -> None:  # noqa: A002 - it is called so there.
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Newcomer:
    """Somebody with the platform's key, and then with tokens of two people of an organisation."""

    def __init__(self, system: Running) -> None:
        self.system = system
        self.http = httpx.Client(base_url=system.url, timeout=60)
        self.platform_key = system.wait_for("Platform key").split()[-1]

    def post(self, token: str | None, path: str, body: object) -> Any:
        """A request that must succeed."""
        headers = {"idempotency-key": str(uuid4())} | ({} if token is None else {"authorization": f"Bearer {token}"})
        answer = self.http.post(path, json=body, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def joined(self, invitation: str, email: str) -> str:
        """The token of somebody who accepts an invitation and logs in."""
        self.post(None, "/v1/invitations/accept", {"token": invitation, "name": email, "password": PASSWORD})
        return str(self.post(None, "/v1/sessions", {"email": email, "password": PASSWORD})["token"])

    def founded(self) -> tuple[str, str]:
        """The tokens of the owner of a new organisation, and of a second person, who approves."""
        command = {
            "slug": SLUG, "name": "Maziwa Ltd", "country": "NG", "currency": "NGN", "time_zone": "Africa/Lagos",
            "owner_email": "amina@example.com",
        }  # fmt: skip
        made = self.post(self.platform_key, "/v1/organisations", command)
        owner = self.joined(made["invitation_token"], "amina@example.com")
        roles = self.http.get(f"/v1/{SLUG}/roles", headers={"authorization": f"Bearer {owner}"}).json()["items"]
        (approver,) = (one["id"] for one in roles if one["name"] == "approver")
        invited = self.post(owner, f"/v1/{SLUG}/invitations", {"email": "ben@example.com", "role_ids": [approver]})
        return owner, self.joined(invited["token"], "ben@example.com")

    def funded(self, token: str) -> None:
        """Money in a wallet, and a connection to a bank of the sandbox."""
        for code, kind in (("cash", "asset"), ("wallet", "liability")):
            account = {"code": code, "name": code, "type": kind, "currency": "NGN"}
            self.post(token, f"/v1/{SLUG}/ledger/accounts", account)
        legs = [
            {"account": code, "side": side, "amount": 10_000_000, "currency": "NGN"}
            for code, side in (("cash", "debit"), ("wallet", "credit"))
        ]
        self.post(token, f"/v1/{SLUG}/ledger/transactions", {"legs": legs})
        address = self.system.wait_for("Sandbox of rails on").split("credentials: ")[1].strip(" )\n")
        listed = httpx.get(address, timeout=60).json()
        found = next(one for one in listed if one["rail"] == "nip")
        connection = {
            "code": "nip", "name": "NIP", "rail": "nip", "currency": found["currency"],
            "endpoint": found["endpoint"], "public": found["public"], "secret": found["secret"],
        }  # fmt: skip
        self.post(token, f"/v1/{SLUG}/connections", connection)
