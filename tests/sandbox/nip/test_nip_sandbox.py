"""NIP of the sandbox by itself: the bytes a client of another maker would see, and its own rules."""

import json
from datetime import UTC, date, datetime, timedelta
from html import escape, unescape
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from omniroute.kit.clock import FixedClock
from omniroute.sandbox.faults import HEADER, Fault
from omniroute.sandbox.nip import NipRestSandbox, NipSandbox
from omniroute.sandbox.nip.cipher import Hybrid, Unopened, new_key
from omniroute.sandbox.nip.people import holder
from omniroute.sandbox.nip.switch import Switch, Wanted
from omniroute.sandbox.rail import RailSandbox
from omniroute.sandbox.server import Sandbox
from omniroute.sandbox.world import World
from tests.connectors.outside import spec

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SESSION = "999001260302100000000000000001"
ENQUIRY = "999001260302100000000000000002"
PAYEE, BANK = "2222002345", "000013"
NAME = holder(BANK, PAYEE).name


def make_switch() -> tuple[Switch, FixedClock]:
    clock = FixedClock(START)
    return Switch(World(clock=clock), "nip"), clock


def wanted(**changes: str) -> Wanted:
    fields = {
        "session": SESSION, "account": "9990010018", "institution": BANK, "payee": PAYEE, "name": NAME,
        "enquiry": ENQUIRY, "amount": "1000.00",
    }  # fmt: skip
    return Wanted(**{**fields, **changes})


# -- the switch -----------------------------------------------------------------------------------------------


def test_a_holder_is_the_same_every_time_and_another_elsewhere() -> None:
    assert holder(BANK, PAYEE) == holder(BANK, PAYEE)
    assert len({holder(BANK, f"{number:010d}").bvn for number in range(500)}) > 490
    assert holder("000014", PAYEE) != holder(BANK, PAYEE)
    assert len(holder(BANK, PAYEE).bvn) == 11


async def test_a_query_is_answered_for_a_day_and_thrice_a_minute() -> None:
    switch, clock = make_switch()
    assert await switch.transfer(wanted(), Fault.NONE) == ("00", 100_000)
    assert [switch.status(SESSION, "999001") for _ in range(4)] == ["00", "00", "00", "65"]
    clock.at += timedelta(seconds=60)
    assert switch.status(SESSION, "999001") == "00"
    assert switch.status(SESSION, "999002") == "25"  # Another's order.
    clock.at = START + timedelta(hours=24) - timedelta(microseconds=1)
    assert switch.status(SESSION, "999001") == "00"
    clock.at = START + timedelta(hours=24) + timedelta(minutes=5)
    assert switch.status(SESSION, "999001") == "25"


async def test_a_session_id_serves_once() -> None:
    switch, _ = make_switch()
    await switch.transfer(wanted(), Fault.NONE)
    assert await switch.transfer(wanted(), Fault.NONE) == ("94", 100_000)
    assert await switch.transfer(wanted(amount="2.00"), Fault.NONE) == ("26", 200)
    assert switch.enquire(SESSION, BANK, PAYEE) == ("26", None)
    assert switch.enquire(ENQUIRY, BANK, PAYEE)[0] == "00"
    assert switch.enquire(ENQUIRY, BANK, PAYEE)[0] == "00"  # The same question again.
    assert switch.enquire(ENQUIRY, BANK, "2222002346") == ("26", None)
    assert (await switch.transfer(wanted(session=ENQUIRY), Fault.NONE))[0] == "26"
    assert len(switch.world.movements) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"session": "1"}, "15"), ({"institution": "000000"}, "16"), ({"institution": "58"}, "16"),
        ({"payee": "1"}, "07"), ({"payee": "2222008015"}, "07"), ({"payee": "2222008025"}, "06"),
        ({"name": "SOMEBODY ELSE"}, "08"), ({"enquiry": ""}, "12"), ({"amount": "1e3"}, "13"),
        ({"amount": "0.99"}, "13"), ({"amount": "1.001"}, "13"), ({"amount": "10000000.01"}, "61"),
    ],
)  # fmt: skip
async def test_a_transfer_that_is_wrong_moves_nothing(changes: dict[str, str], code: str) -> None:
    switch, _ = make_switch()
    assert (await switch.transfer(wanted(**changes), Fault.NONE))[0] == code
    assert switch.world.movements == []
    assert switch.world.transfers() == []


async def test_a_day_of_the_report_is_one_of_lagos() -> None:
    switch, clock = make_switch()
    clock.at = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    await switch.transfer(wanted(), Fault.NONE)
    assert switch.statement("9990010018", date(2026, 3, 2)) == []
    assert len(switch.statement("9990010018", date(2026, 3, 3))) == 1


def test_the_cipher_opens_for_the_right_pair_only() -> None:
    bank, nibss, stranger = new_key(), new_key(), new_key()
    theirs, ours = Hybrid(bank, nibss.public_key()), Hybrid(nibss, bank.public_key())
    assert ours.open(theirs.seal(b"pay")) == b"pay"
    forged = (Hybrid(stranger, nibss.public_key()).seal(b"x"), Hybrid(bank, stranger.public_key()).seal(b"x"), "", "€")
    for sealed in forged:
        with pytest.raises(Unopened):
            ours.open(sealed)


# -- the wire -------------------------------------------------------------------------------------------------


class Wire:
    """A running sandbox and a plain HTTP client."""

    def __init__(self) -> None:
        self.clock = FixedClock(START)
        self.world = World(clock=self.clock)
        self.rails: list[RailSandbox] = [NipSandbox(self.world), NipRestSandbox(self.world)]

    async def __aenter__(self) -> "Wire":
        self._sandbox = Sandbox(self.world, self.rails)
        await self._sandbox.__aenter__()
        self.http = httpx.AsyncClient(base_url=self._sandbox.url, trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        await self._sandbox.__aexit__()

    async def soap(self, operation: str, message: str, **headers: str) -> httpx.Response:
        content = (
            '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
            f'xmlns:core="http://core.nip.nibss/"><soapenv:Header/><soapenv:Body><core:{operation}>'
            f"<request>{escape(message)}</request></core:{operation}></soapenv:Body></soapenv:Envelope>"
        )
        return await self.http.post("/nip/NIPWS/NIPInterface", content=content.encode(), headers=headers)

    async def token(self) -> dict[str, str]:
        form = {
            "client_id": "sandbox-client", "client_secret": "sandbox-client-secret",
            "scope": "sandbox-client/.default", "grant_type": "client_credentials",
        }  # fmt: skip
        reply = await self.http.post("/nip_rest/v2/reset", data=form)
        assert (reply.status_code, reply.json()["expires_in"]) == (200, "3599")
        return {"authorization": f"Bearer {reply.json()['access_token']}", "apikey": "sandbox-api-key"}


def inside(reply: httpx.Response) -> tuple[str, dict[str, str]]:
    """Name and elements of the message in an answer."""
    root = ElementTree.fromstring(reply.text)
    returned = next(element for element in root.iter("return"))
    message = ElementTree.fromstring(unescape(returned.text or "").encode())
    return message.tag, {child.tag: child.text or "" for child in message}


def sample(name: str, **changes: str) -> str:
    """A sample of the specification, for the sandbox's own participant and payee."""
    root = ElementTree.fromstring(spec(f"nibss-nip/{name}.xml").read_bytes())
    for tag, text in changes.items():
        element = root.find(tag)
        assert element is not None
        element.text = text
    return ElementTree.tostring(root, encoding="unicode")


def documented(name: str) -> set[str]:
    """The elements of an answer by the table of messages."""
    entry: Any = json.loads(spec("nibss-nip/message-fields.json").read_text())["messages"][name]
    fields = {field["name"] for field in entry["inherited_fields"] + entry["fields"]}
    return fields - {"ResponseMessage"}  # Optional, and the sandbox has nothing to say in it.


async def test_the_samples_of_the_specification_are_served() -> None:
    async with Wire() as wire:
        enquiry = sample("010-NESingleRequest", SessionID=ENQUIRY, DestinationInstitutionCode=BANK, AccountNumber=PAYEE)
        name, said = inside(await wire.soap("nameenquirysingleitem", enquiry))
        assert (name, said["AccountName"], said["ResponseCode"]) == ("NESingleResponse", NAME, "00")
        assert list(said) == [
            "SessionID", "DestinationInstitutionCode", "ChannelCode", "AccountNumber", "AccountName",
            "BankVerificationNumber", "KYCLevel", "ResponseCode",
        ]  # fmt: skip

        transfer = sample(
            "012-FTSingleCreditRequest", SessionID=SESSION, NameEnquiryRef=ENQUIRY, DestinationInstitutionCode=BANK,
            BeneficiaryAccountName=NAME, BeneficiaryAccountNumber=PAYEE,
        )  # fmt: skip
        name, said = inside(await wire.soap("fundtransfersingleitem_dc", transfer))
        assert (name, said["Amount"], said["ResponseCode"]) == ("FTSingleCreditResponse", "1000.00", "00")
        assert set(said) == documented(name)

        query = sample("016-TSQuerySingleRequest", SessionID=SESSION, SourceInstitutionCode="999001")
        name, said = inside(await wire.soap("txnstatusquerysingleitem", query))
        assert (name, said) == (
            "TSQuerySingleResponse",
            {"SourceInstitutionCode": "999001", "ChannelCode": "1", "SessionID": SESSION, "ResponseCode": "00"},
        )

        balance = sample(
            "018-BalanceEnquiryRequest", SessionID=ENQUIRY[:-1] + "3", AuthorizationCode="SANDBOX-AUTHORISATION",
            TargetAccountNumber="9990010018",
        )  # fmt: skip
        name, said = inside(await wire.soap("balanceenquiry", balance))
        assert (name, said["AvailableBalance"]) == ("BalanceEnquiryResponse", "9999999999000.00")
        assert set(said) == documented(name)
        assert len(wire.world.debits("nip", SESSION)) == 1


async def test_what_is_not_the_protocol_is_refused_and_moves_nothing() -> None:
    async with Wire() as wire:
        good = sample("012-FTSingleCreditRequest", SessionID=SESSION)
        for operation, message in (
            ("fundtransfersingleitem_dc", good.replace("<Amount>1000.00</Amount>", "")),
            ("fundtransfersingleitem_dc", good.replace("Narration>", "Words>")),
            ("fundtransfersingleitem_dc", sample("016-TSQuerySingleRequest")),
            ("fundtransfersingleitem_dc", sample("012-FTSingleCreditRequest", Narration="x" * 101)),
        ):
            assert inside(await wire.soap(operation, message))[1]["ResponseCode"] == "30"
        for operation, message in (
            ("fundtransfersingleitem_dc", "garbage"),
            ("fundtransfersingleitem_dc", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'),
            ("amountblock", good),
        ):
            reply = await wire.soap(operation, message)
            assert (reply.status_code, "Fault" in reply.text, "root:" in reply.text) == (500, True, False)
        stranger = sample("012-FTSingleCreditRequest", SessionID="999009" + SESSION[6:])
        assert inside(await wire.soap("fundtransfersingleitem_dc", stranger))[1]["ResponseCode"] == "03"
        assert (await wire.http.get("/nip/NIPWS/NIPInterface")).status_code == 404
        assert wire.world.transfers() == []


async def test_a_header_orders_a_fault() -> None:
    async with Wire() as wire:
        transfer = sample(
            "012-FTSingleCreditRequest", SessionID=SESSION, NameEnquiryRef=ENQUIRY, DestinationInstitutionCode=BANK,
            BeneficiaryAccountName=NAME, BeneficiaryAccountNumber=PAYEE,
        )  # fmt: skip
        with pytest.raises(httpx.RemoteProtocolError):
            await wire.soap("fundtransfersingleitem_dc", transfer, **{HEADER: "lost-reply"})
        assert len(wire.world.debits("nip", SESSION)) == 1
        again = await wire.soap("fundtransfersingleitem_dc", transfer, **{HEADER: "none"})
        assert inside(again)[1]["ResponseCode"] == "94"
        assert len(wire.world.debits("nip", SESSION)) == 1


REST_TRANSFER = {
    "amount": "100", "beneficiaryAccountName": NAME, "beneficiaryAccountNumber": PAYEE,
    "beneficiaryBankVerificationNumber": "", "beneficiaryKYCLevel": "1", "channelCode": "1",
    "originatorAccountName": "vee Test", "originatorAccountNumber": "0112345678", "originatorKYCLevel": "1",
    "mandateReferenceNumber": "SANDBOX-MANDATE", "paymentReference": "1/2/3", "transactionLocation": "1.38716,3.05117",
    "originatorNarration": "Payment", "beneficiaryNarration": "Payment", "billerId": "SANDBOX-BILLER",
    "destinationInstitutionCode": BANK, "sourceInstitutionCode": "999001", "transactionId": SESSION,
    "originatorBankVerificationNumber": "", "nameEnquiryRef": "999999191106195503191106195503",
    "InitiatorAccountName": "vee Test", "InitiatorAccountNumber": "9990010018",
}  # fmt: skip


async def test_the_rest_form_wants_a_token_and_every_field() -> None:
    async with Wire() as wire:
        api = "/nip_rest/nipservice/v1/nip"
        transfer = f"{api}/fundstransfer"
        assert (await wire.http.post(transfer, json=REST_TRANSFER)).status_code == 401
        assert (await wire.http.post("/nip_rest/v2/reset", data={"client_id": "x"})).status_code == 401
        headers = await wire.token()
        wrong: tuple[tuple[Any, str], ...] = (
            ({**REST_TRANSFER, "billerId": ""}, "A4"),
            ({name: value for name, value in REST_TRANSFER.items() if name != "amount"}, "A4"),
            ({**REST_TRANSFER, "unheard": "of"}, "A5"),
            ({**REST_TRANSFER, "amount": 100}, "A5"),
            ({**REST_TRANSFER, "paymentReference": "x" * 51}, "A5"),
            ([], "30"),
        )
        for body, code in wrong:
            reply = await wire.http.post(transfer, json=body, headers=headers)
            assert (reply.status_code, reply.json()["responseCode"]) == (400, code)
        reply = await wire.http.post(transfer, content=b"{", headers=headers)
        assert reply.json()["responseCode"] == "30"
        for field in ("billerId", "mandateReferenceNumber", "InitiatorAccountNumber"):
            reply = await wire.http.post(transfer, json={**REST_TRANSFER, field: "x"}, headers=headers)
            assert reply.json()["responseCode"] == "57"
        assert wire.world.transfers() == []

        reply = await wire.http.post(transfer, json=REST_TRANSFER, headers=headers)
        said = reply.json()
        assert (said["responseCode"], said["amount"], said["transactionId"]) == ("00", "100.00", SESSION)
        wire.clock.at += timedelta(minutes=5)
        reply = await wire.http.post(f"{api}/tsq", json={"transactionId": SESSION}, headers=headers)
        assert reply.json()["responseCode"] == "00"
        assert reply.json()["sessionID"] == said["sessionID"]
        wire.clock.at += timedelta(hours=1)
        reply = await wire.http.post(f"{api}/tsq", json={"transactionId": SESSION}, headers=headers)
        assert reply.status_code == 401
        assert (await wire.http.get(f"{api}/nothing", headers=headers)).status_code == 404


async def test_the_report_wants_its_token_and_a_day() -> None:
    async with Wire() as wire:
        assert (await wire.http.get("/nip/settlement?date=2026-03-02")).status_code == 401
        headers = {"authorization": "Bearer settlement-report-token"}
        for path in ("/nip/settlement", "/nip/settlement?date=x", "/nip/settlement?date=2026-03-02&cursor=x"):
            assert (await wire.http.get(path, headers=headers)).status_code == 400
        for path in ("/nip/settlement", "/nip/hybrid/settlement", "/nip_rest/settlement"):
            reply = await wire.http.get(f"{path}?date=2026-03-02", headers=headers)
            assert reply.text.splitlines() == ["Line,SettledAt,SessionID,Direction,Amount,BalanceAfter,Narration"]


async def test_connections_are_told() -> None:
    async with Wire() as wire:
        told = (await wire.http.get("/_sandbox/connections")).json()
        assert [(one["rail"], one["public"].get("cipher"), one["currency"]) for one in told] == [
            ("nip", "plain", "NGN"), ("nip", "hybrid", "NGN"), ("nip_rest", None, "NGN"),
        ]  # fmt: skip
        assert told[1]["endpoint"].endswith("/nip/hybrid/NIPWS/NIPInterface")
        assert "PRIVATE KEY" in told[1]["secret"]["private_key"]
        assert json.dumps(told)
