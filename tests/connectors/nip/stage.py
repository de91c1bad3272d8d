"""The two NIP connectors with what surrounds them in a test."""

import dataclasses
import json
from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from omniroute.connectors.nip import HybridCipher, NipConnector, NipRestConnector
from omniroute.infra.http import Reply
from omniroute.kit.money import Money
from omniroute.ports.rails import Context, Holder, Party, PartyKind, Payout
from tests.connectors.outside import NOW, ScriptedHttp, json_reply, make_context, make_payout

SOAP = NipConnector()
REST = NipRestConnector()
ENDPOINT = "https://nip.example.com"
SOAP_PATH = "POST /NIPWS/NIPInterface"
PUBLIC = {
    "institution_code": "999001",
    "originator_name": "Acme Foods & Sons",
    "originator_account": "3333002345",
    "transaction_location": "6.4300747,3.4110715",
    "cipher": "plain",
    "client_id": "client-7",
    "biller_id": "ADC19BDC-7D3A-4C00-4F7B-08DA06684F59",
}
SECRET = {
    "originator_bvn": "33333333331",
    "authorization_code": "AUTHORISATION-CODE",
    "client_secret": "CLIENT-SECRET",
    "api_key": "API-KEY",
    "mandate_reference": "MA-0112345678-2022315-53097",
}
ATTEMPT = UUID("01990000-0000-7000-8000-000000000001")
REF = SOAP.build_reference(PUBLIC, ATTEMPT, NOW)
ENQUIRY_REF = SOAP.build_reference(PUBLIC, UUID(int=7), NOW)
PAYEE = Party(PartyKind.BANK_ACCOUNT, "2222002345", "000002")
HOLDER = Holder(
    PAYEE, "Ajibade Oluwasegun", True, ENQUIRY_REF, "3", {"bank_verification_number": "22222222226"},
)  # fmt: skip
TOKEN = {"access_token": "TOKEN-OF-THE-RAIL", "token_type": "Bearer", "expires_in": "3599"}


def order(amount: Money | None = None, **changes: Any) -> Payout:
    """One to pay to `PAYEE`, enquired before."""
    made = make_payout(REF, amount or Money(100_000, "NGN"), "", holder=HOLDER, narration="March rent <depot>")
    return dataclasses.replace(made, **{"payee": PAYEE, **changes})


def soap(script: Mapping[str, Any], **public: str) -> tuple[ScriptedHttp, Context]:
    """The SOAP form, answered by script."""
    http = ScriptedHttp(script)
    return http, make_context(http, f"{ENDPOINT}/NIPWS/NIPInterface", {**PUBLIC, **public}, SECRET)


def rest(script: Mapping[str, Any], **public: str) -> tuple[ScriptedHttp, Context]:
    """The REST form, answered by script; it has a token."""
    http = ScriptedHttp({"POST /v2/reset": json_reply(200, TOKEN), **script})
    return http, make_context(http, ENDPOINT, {**PUBLIC, **public}, SECRET)


def soap_reply(operation: str, message: str) -> Reply:
    """A message of the rail in its envelope, under the plain cipher."""
    sealed = message.replace("&", "&amp;").replace("<", "&lt;")
    return Reply(
        200, {"content-type": "text/xml"},
        '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>'
        f'<ns2:{operation}Response xmlns:ns2="http://core.nip.nibss/"><return>{sealed}</return></ns2:{operation}Response>'
        "</S:Body></S:Envelope>".encode(),
    )  # fmt: skip


def message(name: str, values: Mapping[str, str]) -> str:
    """A message of the rail, in its own layout."""
    inside = "".join(f"<{key}>{value}</{key}>" for key, value in values.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inside}</{name}>'


TRANSFERRED = {
    "SessionID": REF, "NameEnquiryRef": ENQUIRY_REF, "DestinationInstitutionCode": "000002", "ChannelCode": "7",
    "BeneficiaryAccountName": "Ajibade Oluwasegun", "BeneficiaryAccountNumber": "2222002345",
    "BeneficiaryBankVerificationNumber": "22222222226", "BeneficiaryKYCLevel": "3",
    "OriginatorAccountName": "Acme", "OriginatorAccountNumber": "3333002345",
    "OriginatorBankVerificationNumber": "33333333331", "OriginatorKYCLevel": "1", "TransactionLocation": "",
    "Narration": "x", "PaymentReference": "y", "Amount": "1000.00", "ResponseCode": "00",
}  # fmt: skip
QUERIED = {"SourceInstitutionCode": "999001", "ChannelCode": "7", "SessionID": REF, "ResponseCode": "00"}
REST_TRANSFERRED = {
    "responseCode": "00", "sessionID": "999999220608140828280645462287", "transactionId": REF, "channelCode": "7",
    "nameEnquiryRef": "9.999992206081408e+29", "destinationInstitutionCode": "000002",
    "beneficiaryAccountName": "Ajibade Oluwasegun", "beneficiaryAccountNumber": "'2222002345'", "amount": "1000",
}  # fmt: skip
REST_QUERIED = {
    "responseCode": "00", "sessionID": "999999220608140828280645462287", "transactionId": REF, "channelCode": "7",
    "sourceInstitutionCode": "999001",
}  # fmt: skip


def transferred(**changes: str) -> Reply:
    """The answer to a transfer."""
    return soap_reply("fundtransfersingleitem_dc", message("FTSingleCreditResponse", {**TRANSFERRED, **changes}))


def queried(**changes: str) -> Reply:
    """The answer to a status query."""
    return soap_reply("txnstatusquerysingleitem", message("TSQuerySingleResponse", {**QUERIED, **changes}))


def key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of somebody, the same during a run."""
    return _key(name, bits)


@cache
def _key(_: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def pem(name: str, bits: int = 2048) -> str:
    """The private key of somebody."""
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key(name, bits).private_bytes(serialization.Encoding.PEM, form, no_password).decode()


def public_pem(name: str, bits: int = 2048) -> str:
    """The public key of somebody."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key(name, bits).public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def cipher(own: str, peer: str) -> HybridCipher:
    """What `own` talks to `peer` with."""
    return HybridCipher(key(own), key(peer).public_key())


def body(http: ScriptedHttp) -> Any:
    """The JSON of the last request."""
    return json.loads(http.requests[-1].body)


def hidden(script: Mapping[str, Any]) -> Context:
    """A connection under the hybrid cipher."""
    http, context = soap(script)
    public = {**context.credentials.public, "cipher": "hybrid", "peer_public_key": public_pem("nibss")}
    return make_context(http, context.credentials.endpoint, public, {**SECRET, "private_key": pem("bank")})
