"""ISO 4217 currencies: code and number of decimals of the minor unit.

Facts from ISO 4217 (list one). Funds codes, metals and the test code are left out: nobody can be paid in them.
"""

from omniroute.kit.refusal import Kind, Refusal


class UnknownCurrency(Refusal):
    """The currency is not an ISO 4217 code that we know; write three capital letters such as NGN or KES."""

    code = "kit.unknown_currency"
    kind = Kind.INVALID


_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP "
    "CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES "
    "KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK "
    "NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB "
    "TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"

EXPONENTS: dict[str, int] = (
    dict.fromkeys(_TWO.split(), 2) | dict.fromkeys(_NONE.split(), 0) | dict.fromkeys(_THREE.split(), 3)
)


def exponent(currency: str) -> int:
    """Decimals of the currency's minor unit (UGX 0, NGN 2, TND 3).

    Raises: UnknownCurrency.
    """
    found = EXPONENTS.get(currency)
    if found is None:
        raise UnknownCurrency(currency=str(currency)[:16])
    return found
