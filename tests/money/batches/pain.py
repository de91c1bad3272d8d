"""pain.001 files, right ones and wrong ones."""

from decimal import Decimal

_AMOUNT = "<InstdAmt"


def credit(
    reference: str,
    amount: str,
    *,
    currency: str = "NGN",
    account: str = "<Othr><Id>0000000018</Id></Othr>",
    after: str = "",
) -> str:
    """One payment, in the order the schema wants."""
    return (
        f"<CdtTrfTxInf><PmtId><InstrId>I-{reference}</InstrId><EndToEndId>{reference}</EndToEndId></PmtId>"
        f'<Amt><InstdAmt Ccy="{currency}">{amount}</InstdAmt></Amt>'
        "<CdtrAgt><FinInstnId><ClrSysMmbId><MmbId>058</MmbId></ClrSysMmbId>"
        "<PstlAdr><Ctry>NG</Ctry></PstlAdr></FinInstnId></CdtrAgt>"
        f"<Cdtr><Nm>Ada &amp; Co</Nm></Cdtr><CdtrAcct><Id>{account}</Id>{after}</CdtrAcct>"
        "<RmtInf><Ustrd>Salary</Ustrd></RmtInf></CdtTrfTxInf>"
    )


def _sum(payments: tuple[str, ...]) -> str:
    found = [payment.partition(_AMOUNT)[2].partition(">")[2].partition("<")[0] for payment in payments]
    return str(sum((Decimal(text) for text in found), Decimal(0)))


def pain(
    *payments: str,
    version: str = "03",
    day: str = "2026-03-02",
    count: object = None,
    total: str | None = None,
    group_count: object = None,
    group_total: str | None = None,
    message_id: str = "MSG-1",
) -> bytes:
    """A file of these payments in one group; sums are right unless said otherwise."""
    when = day if version == "03" else f"<Dt>{day}</Dt>"
    count, group_count = (len(payments) if one is None else one for one in (count, group_count))
    total = _sum(payments) if total is None else total
    group_total = _sum(payments) if group_total is None else group_total
    bank = "<BIC>GTBINGLA</BIC>" if version == "03" else "<BICFI>GTBINGLA</BICFI>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.{version}">'
        f"<CstmrCdtTrfInitn><GrpHdr><MsgId>{message_id}</MsgId><CreDtTm>2026-03-01T09:00:00Z</CreDtTm>"
        f"<NbOfTxs>{count}</NbOfTxs><CtrlSum>{total}</CtrlSum><InitgPty><Nm>Shop</Nm></InitgPty></GrpHdr>"
        f"<PmtInf><PmtInfId>P1</PmtInfId><PmtMtd>TRF</PmtMtd><NbOfTxs>{group_count}</NbOfTxs>"
        f"<CtrlSum>{group_total}</CtrlSum><ReqdExctnDt>{when}</ReqdExctnDt><Dbtr><Nm>Shop</Nm></Dbtr>"
        "<DbtrAcct><Id><Othr><Id>wallet:shop</Id></Othr></Id></DbtrAcct>"
        f"<DbtrAgt><FinInstnId>{bank}</FinInstnId></DbtrAgt>"
        f"{''.join(payments)}</PmtInf></CstmrCdtTrfInitn></Document>\n"
    ).encode()
