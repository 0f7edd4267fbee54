"""The active currencies of ISO 4217 (list one, without funds, metals and test codes) and their minor units."""

_TWO_DIGITS = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC
CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR
JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD
NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN
SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "KRW": "₩", "INR": "₹"}

# Decimal digits of each currency: `MINOR_DIGITS["KRW"] == 0`, so ₩10,000 is the amount 10000.
MINOR_DIGITS: dict[str, int] = {
    **dict.fromkeys(_TWO_DIGITS.split(), 2),
    **dict.fromkeys(_NO_DIGITS.split(), 0),
    **dict.fromkeys(_THREE_DIGITS.split(), 3),
}

# Digits of the greatest amount in major units: more than any real order needs, in every currency. With three decimals
# the amount is below 2**53, so that JSON readers with doubles keep it exact.
MAX_MAJOR_DIGITS = 12


def max_amount(currency: str) -> int:
    """The greatest amount of an order, in minor units: ``max_amount("USD") == 99_999_999_999_999``."""
    return int("9" * (MAX_MAJOR_DIGITS + MINOR_DIGITS[currency]))


def show_money(amount: int, currency: str) -> str:
    """Write an amount of minor units for people: ``show_money(1000, "USD") == "$10.00"``."""
    digits = MINOR_DIGITS.get(currency, 0)
    whole, rest = divmod(amount, 10**digits)
    figure = f"{whole:,}" + (f".{rest:0{digits}d}" if digits else "")
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{figure}" if symbol else f"{figure} {currency}"
