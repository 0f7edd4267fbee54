"""Texts that people type, and characters that no text may have; chosen without the product's own rule."""

from hypothesis import strategies as st

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
HEART = "❤\ufe0f\u200d🔥"
WALES = "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"

TYPED = {
    "NBSP": "Jean\u00a0Dupont",
    "narrow NBSP": "1\u202f000",
    "ideographic space": "山田\u3000太郎",
    "ZWJ emoji": FAMILY,
    "variation selector": HEART,
    "tag characters": WALES,
    "ZWNJ of Persian": "می\u200cخواهم",
    "Hebrew": "שלום",
    "combining marks": "e\u0301 \u0e19\u0e49\u0e33",
    "Korean": "김민수",
    "soft hyphen": "Donau\u00addampf",
    "private use": "\ue000",
    "newer than this Unicode": "\U0001fbff\U000323af",
    "percent signs": "100%25",
    "markup": "[red]eve[/] \\[b] \\",
    "quotation marks": 'O\'Neil "X"',
    "dots": "..",
}
"""Each is accepted, stored and shown unchanged."""

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
NONCHARACTERS = [
    *range(0xFDD0, 0xFDF0),
    *(plane << 16 | end for plane in range(17) for end in (0xFFFE, 0xFFFF)),
]
REFUSED = [
    *(chr(code) for code in range(0x20)),
    *(chr(code) for code in range(0x7F, 0xA0)),
    *BIDI,
    "\u2028",
    "\u2029",
    *(chr(code) for code in (0xD800, 0xDBFF, 0xDC00, 0xDCFF, 0xDFFF)),
    *(chr(code) for code in NONCHARACTERS),
]
"""Every character that no text may have, except most of the surrogates."""

_CHARACTERS = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="".join(REFUSED))


def accepted_texts(*, longest: int = 255) -> st.SearchStrategy[str]:
    """Texts that an order may have: any allowed characters, and the sequences that people type."""
    pieces = _CHARACTERS | st.sampled_from([*TYPED.values(), "\u200d", "\ufe0f", "\\", "[", "[/]", "\u00a0"])
    texts = st.lists(pieces, min_size=1, max_size=longest).map("".join)
    return texts.map(lambda text: text[:longest]).filter(lambda text: bool(text.strip()))
