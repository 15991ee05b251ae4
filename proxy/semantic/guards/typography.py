"""What fingers and editors do to a text without meaning anything: curly quotes, dashes, wide letters, odd spaces, composed accents.

Only single characters with one plain counterpart are folded. Superscripts, fractions and look-alikes of other scripts are not: x² is
not x2.
"""

from unicodedata import is_normalized, normalize

MARKS = str.maketrans(
    {**dict.fromkeys("\u2018\u2019\u201b\u02bc", "'"), **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"')}
)
"""Quotation marks and apostrophes, one for one, so that places in the text stay what they are."""

PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2013\u2212", "-"),
        **dict.fromkeys("\u2014\u2015", " - "),
        **dict.fromkeys("\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "),
        **dict.fromkeys("\u200b\u2060\ufeff\u00ad¿¡", ""),
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
        "…": "...",
        "。": ".",
        "ﬁ": "fi",
        "ﬂ": "fl",
    }
)
"""Any other character to what a plain keyboard would have given."""


def marked(text: str) -> str:
    """``text`` with plain quotation marks, of the same length."""
    return text if text.isascii() else text.translate(MARKS)


def folded(text: str) -> str:
    """``text`` with typographic noise made plain. Words, their order and their case are as they were."""
    if text.isascii():
        return text
    if not is_normalized("NFC", text):
        text = normalize("NFC", text)
    return text.translate(PLAIN)
