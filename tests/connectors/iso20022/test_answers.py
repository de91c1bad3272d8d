"""What is read: every sample there is, every level of refusal, and nothing believed that cannot be attributed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.kit.money import Money
from omniroute.ports.rails import FileAnswer, FileNews, Outcome, RailAnswerUnreadable
from tests.connectors.iso20022.filing import NEFT, PUBLIC
from tests.connectors.outside import spec

PENDING = {"RCVD", "ACTC", "ACCP", "ACSP", "ACWC", "PDNG", "PART"}
A, B, C = (f"N26030200000000000000000000000000{letter}" for letter in "ABC")


def read(content: str | bytes, **public: str) -> FileNews:
    body = content.encode() if isinstance(content, str) else content
    return NEFT.read_file({**PUBLIC, **public}, body)


def report(group: str = "", blocks: str = "", message: str = "pain.002.001.10") -> str:
    body, inner = ("CstmrPmtStsRpt", blocks) if message.startswith("pain") else ("FIToFIPmtStsRpt", blocks)
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{message}"><{body}><GrpHdr><MsgId>R</MsgId></GrpHdr>'
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>F1</OrgnlMsgId>{group}</OrgnlGrpInfAndSts>{inner}</{body}></Document>"
    )


def transaction(ref: str, status: str | None, reason: str = "", more: str = "") -> str:
    told = "" if status is None else f"<TxSts>{status}</TxSts>"
    why = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn><AddtlInf>words</AddtlInf></StsRsnInf>" if reason else ""
    return f"<TxInfAndSts><OrgnlEndToEndId>{ref}</OrgnlEndToEndId>{told}{why}{more}</TxInfAndSts>"


def block(name: str, inside: str, status: str = "") -> str:
    told = f"<PmtInfSts>{status}</PmtInfSts>" if status else ""
    return f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{name}</OrgnlPmtInfId>{told}{inside}</OrgnlPmtInfAndSts>"


def one(content: str) -> FileAnswer:
    (answer,) = read(content).answers
    return answer


def outcomes(answer: FileAnswer) -> dict[str, Outcome]:
    return {name: result.outcome for name, result in answer.results}


SAMPLES = {
    "goldman_sachs/pain_002_v3_group_accepted.xml": ("CLIENT NAME_2023-09-06:04", Outcome.PENDING, {}, {}),
    "goldman_sachs/pain_002_v3_payment_accepted.xml": (
        "XXX001_20220315_B_DZSOXXXX", None, {"xxx001220315B000XXXX": Outcome.PENDING}, {},
    ),
    "goldman_sachs/pain_002_v3_accepted.xml": ("10280093XXXX", None, {}, {"GSDGFKfLURaHb": Outcome.PENDING}),
    "moov/pain002-epo_p_0_0_0_2018031510491259.xml": ("MsgId-001", Outcome.PENDING, {}, {}),
    "moov/pain002-epo_p_0_0_0_2018032614401842.xml": ("MsgId-005", Outcome.DECLINED, {}, {}),
    "moov/pain002-epo_p_ch2909000000250094239_1109800799_0_2018032612092784.xml": (
        "MsgId-006", None, {"PmtInfId-006-01": Outcome.DECLINED},
        {"EndToEndId-006-01-01": Outcome.DECLINED, "InstrId-006-01-01": Outcome.DECLINED},
    ),
    "moov/pain002-epo_p_ch5109000000250092291_1110097605_0_2018031511252307.xml": (
        "MsgId-001", None, {"PmtInfId-001-03": Outcome.PENDING},
        {"EndToEndId-001-03-04": Outcome.DECLINED, "InstrId-001-03-04": Outcome.DECLINED},
    ),
    "moov/valid_pain_v11.xml": ("OrgnlMsgId", None, {}, {}),
    "aws/pacs.002.xml": (
        "AAAA100628-123v", None, {},
        {"AAAAUS29/100628/ad458": Outcome.SUCCEEDED, "VA060327/0123": Outcome.SUCCEEDED},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_a_published_sample_says(name: str) -> None:
    message_id, group, blocks, orders = SAMPLES[name]
    (answer,) = read((spec("iso20022") / "samples" / name).read_bytes()).answers
    assert answer.original_message_id == message_id
    assert (None if answer.group is None else answer.group.outcome) == group
    assert {key: result.outcome for key, result in answer.blocks} == blocks
    assert outcomes(answer) == orders


def test_every_published_sample_is_read_or_is_of_another_kind() -> None:
    folder = spec("iso20022") / "samples"
    paths = sorted(folder.glob("*/*.xml"))
    assert len(paths) > 40
    for path in paths:
        kind = path.read_text(encoding="utf-8", errors="replace")
        ours = any(f"<{name}" in kind for name in ("CstmrPmtStsRpt", "FIToFIPmtStsRpt", "Stmt>", "Ntfctn>"))
        if ours:
            read(path.read_bytes())
        else:
            with pytest.raises(RailAnswerUnreadable):
                read(path.read_bytes())


@pytest.mark.parametrize("status", sorted(PENDING))
def test_accepted_is_not_paid(status: str) -> None:
    assert outcomes(one(report(blocks=block("B", transaction(A, status))))) == {A: Outcome.PENDING}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("ACSC", "succeeded"), ("ACCC", "succeeded"), ("RJCT", "declined"), ("CANC", "declined"), ("NEWS", "unknown")],
)
def test_what_ends_an_order(status: str, outcome: str) -> None:
    for message in ("pain.002.001.03", "pain.002.001.11", "pacs.002.001.10"):
        inside = transaction(A, status)
        text = report(blocks=block("B", inside) if message.startswith("pain") else inside, message=message)
        assert outcomes(one(text)) == {A: Outcome(outcome)}


def test_reasons_are_data_and_an_unlisted_one_declines_by_its_status() -> None:
    table = NEFT.codes()["answer"]
    declined = {"AC04": ("AC04", "hard_decline"), "AM04": ("AM04", "funds"), "ZZ99": ("RJCT", "hard_decline")}
    for reason, (code, kind) in declined.items():
        ((_, result),) = one(report(blocks=block("B", transaction(A, "RJCT", reason)))).results
        assert (result.outcome, result.answer.code) == (Outcome.DECLINED, code)
        assert table.find(result.answer.code).code_class == kind
        assert reason in (result.answer.message or "")


@pytest.mark.parametrize("reason", ["AM05", "DU01", "DU02", "DU03", "DU04", "DU05", "RF01"])
def test_refused_because_it_was_there_before_is_unknown(reason: str) -> None:
    why = f"<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>"
    answer = one(report(why))
    assert answer.group is not None
    assert answer.group.outcome is Outcome.UNKNOWN
    assert outcomes(one(report(blocks=block("B", transaction(A, "RJCT", reason))))) == {A: Outcome.UNKNOWN}


def test_an_order_without_a_status_has_that_of_what_it_stands_in_unless_it_is_paid() -> None:
    inside = transaction(A, None, "AC04")
    assert outcomes(one(report(blocks=block("B", inside, "RJCT")))) == {A: Outcome.DECLINED}
    assert outcomes(one(report("<GrpSts>RJCT</GrpSts>", block("B", inside)))) == {A: Outcome.DECLINED}
    assert outcomes(one(report("<GrpSts>ACSC</GrpSts>", block("B", inside)))) == {A: Outcome.UNKNOWN}
    assert outcomes(one(report(blocks=block("B", inside)))) == {A: Outcome.UNKNOWN}


def test_where_an_order_cannot_be_told_nothing_is_ended_for_those_not_named() -> None:
    stranger = (
        "<TxInfAndSts><OrgnlUETR>6a2eabda-57ef-445f-9782-cca23c9aa988</OrgnlUETR><TxSts>RJCT</TxSts></TxInfAndSts>"
    )
    answer = one(report("<GrpSts>ACSC</GrpSts>", block("B", stranger + transaction(A, "ACSC"), "ACSC")))
    assert (answer.group, answer.blocks) == (None, ())
    assert outcomes(answer) == {A: Outcome.SUCCEEDED}
    waiting = one(report("<GrpSts>ACCP</GrpSts>", block("B", stranger)))
    assert waiting.group is not None
    assert waiting.group.outcome is Outcome.PENDING


def test_a_file_that_contradicts_itself_ends_nothing() -> None:
    inside = transaction(A, "ACSC") + transaction(A, "RJCT", "AC04") + transaction(B, "ACSC") + transaction(B, "ACSC")
    assert outcomes(one(report(blocks=block("B", inside)))) == {A: Outcome.UNKNOWN, B: Outcome.SUCCEEDED}
    with pytest.raises(RailAnswerUnreadable):
        read(report(blocks=block("B", transaction(A, "ACSC", more="<TxSts>RJCT</TxSts>"))))


def test_echoes_are_told_and_an_amount_nobody_can_read_is_no_success() -> None:
    def more(amount: str, currency: str = "NGN") -> str:
        return (
            f'<OrgnlTxRef><Amt><InstdAmt Ccy="{currency}">{amount}</InstdAmt></Amt>'
            "<CdtrAcct><Id><Othr><Id>0123456789</Id></Othr></Id></CdtrAcct></OrgnlTxRef>"
        )

    ((_, result),) = one(report(blocks=block("B", transaction(A, "ACSC", more=more("12.3400"))))).results
    assert (result.amount, result.payee_identifier) == (Money(1_234, "NGN"), "0123456789")
    assert "0123456789" not in str(result.answer.raw)
    for bad in (more("12.345"), more("1e3"), more("12.34", "XXQ"), more("")):
        assert outcomes(one(report(blocks=block("B", transaction(A, "ACSC", more=bad))))) == {A: Outcome.UNKNOWN}


def test_one_report_may_speak_of_several_files() -> None:
    text = report(message="pacs.002.001.10").replace(
        "</FIToFIPmtStsRpt>",
        "<OrgnlGrpInfAndSts><OrgnlMsgId>F2</OrgnlMsgId></OrgnlGrpInfAndSts>"
        f"<TxInfAndSts><OrgnlGrpInf><OrgnlMsgId>F2</OrgnlMsgId></OrgnlGrpInf><OrgnlTxId>{A}</OrgnlTxId>"
        "<TxSts>ACSC</TxSts></TxInfAndSts></FIToFIPmtStsRpt>",
    )
    found = {answer.original_message_id: outcomes(answer) for answer in read(text).answers}
    assert found == {"F1": {}, "F2": {A: Outcome.SUCCEEDED}}


BILLION = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "nothing",
        "<a>",
        "<Document/>",
        f'<!DOCTYPE d [<!ENTITY l0 "lol">{BILLION}]>' + report("<GrpSts>&l9;</GrpSts>"),
        '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + report("<GrpSts>&x;</GrpSts>"),
        '<!DOCTYPE d SYSTEM "http://127.0.0.1/x.dtd">' + report(),
        "<x>" * 100 + "</x>" * 100,
    ],
)  # fmt: skip
def test_what_is_no_file_of_a_bank_says_nothing(content: str) -> None:
    with pytest.raises(RailAnswerUnreadable):
        read(content)


WHOLE = report("<GrpSts>PART</GrpSts>", block("B", transaction(A, "ACSC") + transaction(B, "RJCT", "AC04"), "PART"))


@given(st.integers(0, len(WHOLE)), st.integers(0, 40), st.text("<>/&;ABCRJTSd 0", max_size=6))
def test_a_damaged_file_never_pays_what_it_did_not_say(at: int, length: int, instead: str) -> None:
    damaged = WHOLE[:at] + instead + WHOLE[at + length :]
    try:
        answers = read(damaged).answers
    except RailAnswerUnreadable:
        return
    for answer in answers:
        said = outcomes(answer)
        assert said.get(B) is not Outcome.SUCCEEDED or "ACSC" in damaged.split(B)[-1]
        assert answer.group is None or answer.group.outcome is not Outcome.SUCCEEDED


def test_statements_of_our_account_only_and_booked_lines_only() -> None:
    folder = spec("iso20022") / "samples"
    name = "genkgo/camt053.v2.multi.statement.xml"
    body = (folder / name).read_bytes()
    assert read(body).lines == ()
    lines = read(body, account="NL26VAYB8060476890").lines
    assert (lines[0].amount, lines[0].credit, lines[0].our_ref) == (Money(885, "EUR"), True, "000000001")
    assert len({line.line_id for line in lines}) == len(lines)
    assert read(body, account="NL26VAYB8060476890").lines == lines


def entry(amount: str, details: str, *, status: str = "<Sts><Cd>BOOK</Cd></Sts>", way: str = "DBIT") -> str:
    return (
        f'<Ntry><Amt Ccy="NGN">{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd>{status}<BookgDt><Dt>2026-03-02</Dt></BookgDt>'
        f"<AcctSvcrRef>S1</AcctSvcrRef><NtryDtls>{details}</NtryDtls></Ntry>"
    )


def part(ref: str, amount: str) -> str:
    told = f'<Amt Ccy="NGN">{amount}</Amt>' if amount else ""
    return f"<TxDtls><Refs><EndToEndId>{ref}</EndToEndId></Refs>{told}</TxDtls>"


def statement(*entries: str) -> str:
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>S</Id>'
        f"<Acct><Id><Othr><Id>0102030405</Id></Othr></Id></Acct>{''.join(entries)}</Stmt></BkToCstmrStmt></Document>"
    )


def test_batch_entries_are_taken_apart_only_when_they_add_up() -> None:
    whole = read(statement(entry("3.00", part(A, "1.00") + part(B, "2.00")))).lines
    assert [(line.our_ref, line.amount.amount_minor, line.credit) for line in whole] == [
        (A, 100, False),
        (B, 200, False),
    ]
    for parts in (part(A, "1.00") + part(B, "1.00"), part(A, "") + part(B, "3.00"), ""):
        (line,) = read(statement(entry("3.00", parts))).lines
        assert (line.our_ref, line.amount.amount_minor) == (None, 300)
    (single,) = read(statement(entry("3.00", part(A, "")))).lines
    assert (single.our_ref, single.amount.amount_minor) == (A, 300)
    assert read(statement(entry("3.00", part(A, "3.00"), status="<Sts>PDNG</Sts>"))).lines == ()
    (old,) = read(statement(entry("3.00", part("NOTPROVIDED", "3.00"), status="<Sts>BOOK</Sts>", way="CRDT"))).lines
    assert (old.our_ref, old.credit) == (None, True)


def test_the_table_of_codes_has_no_code_that_pays_but_two() -> None:
    entries = NEFT.codes()["answer"].entries
    paid = {code for code, found in entries.items() if found.outcome is Outcome.SUCCEEDED}
    assert paid == {"ACSC", "ACCC"}
    assert {code for code, found in entries.items() if found.outcome is Outcome.PENDING} >= PENDING
