"""Texts of many kinds to compare tokenisers on: prose, code, scripts, runs, noise and what the machine has. Seeded, any size.

Where engines differ is the border of a Unicode class, so every class is drawn from, with code points of the newest versions,
unassigned ones, and the letters that only a case-insensitive match takes for others (long s, the Kelvin sign).
"""

import base64
import json
import string
import sysconfig
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import cycle
from pathlib import Path
from random import Random

LARGEST = 32 * 1024
"""Characters of the longest text: what ``proxy.tokens.text`` gives to an engine at once."""

WORDS = (
    "the committee met on Tuesday to review it's annual budget they'll vote I'D 'Tis O'Neill we'Ve SHOUTING camelCase snake_case "
    "Der Ausschuss prüfte den Haushalt über Straße Комитет рассмотрел годовой бюджет اجتمعت اللجنة لمراجعة الميزانية "
    "समिति ने बजट की समीक्षा की 委员会 在星期二 开会审查年度预算 委員会は予算を検討した 위원회는 예산을 검토했습니다 "
    "ประชุมคณะกรรมการ ועדה בחנה την επιτροπή Ủy ban họp ngân sách ამ კომიტეტმა ԿԱՐԳ ǅ ǈ ʰ ˮ ª º ℡ Ⅷ ½ ٣٤ ४५ ２０２６"
).split()

SPECIAL = (
    "<|endoftext|>",
    "<|endofprompt|>",
    "<|fim_prefix|>",
    "<|im_start|>",
    "<|start|>",
    "<|call|>",
    "[INST]",
    "</s>",
    "<pad>",
)
AFTER_AN_APOSTROPHE = (
    "s",
    "S",
    "ſ",
    "t",
    "T",
    "re",
    "Re",
    "rE",
    "ve",
    "VE",
    "m",
    "M",
    "ll",
    "lL",
    "d",
    "D",
    "K",
    "x",
    "é",
    "1",
    " ",
    "'",
)
APOSTROPHES = ("'", "'", "'", "\u2019", "\u02bc", "\uff07")
SPACES = (
    " ",
    " ",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "\u00a0",
    "\u2003",
    "\u2028",
    "\u2029",
    "\u0085",
    "\u3000",
    "\x0b",
    "\x0c",
    "\x1c",
    "\u180e",
    "\u200b",
    "\ufeff",
)
EMOJI = "😀🎉🔥👍🏽👨\u200d👩\u200d👧🇩🇪🏳️\u200d🌈💡🫠🫨🪿❤️☺1️⃣"

Make = Callable[[Random, int], str]
"""A text of about so many characters."""


@cache
def _classes() -> tuple[tuple[str, ...], ...]:
    """All code points by general category, unassigned ones too; a category is drawn as often as any other."""
    found: dict[str, list[str]] = defaultdict(list)
    for point in range(0x110000):
        character = chr(point)
        if (category := unicodedata.category(character)) != "Cs":
            found[category].append(character)
    return tuple(map(tuple, found.values()))


def _prose(random: Random, size: int) -> str:
    return "".join(
        random.choice(WORDS) + random.choice((" ", " ", " ", " ", ", ", ".\n", " - ")) for _ in range(size // 7)
    )


def _spaces(random: Random, size: int) -> str:
    pieces = (
        random.choice(SPACES) * random.choice((1, 1, 2, 3, 7, 40)) + random.choice(("", "x", "é", "/", "1", "."))
        for _ in range(size // 8)
    )
    return "".join(pieces)


def _apostrophes(random: Random, size: int) -> str:
    return "".join(
        random.choice(("it", "IT", "x", "1", "", " ", "中"))
        + random.choice(APOSTROPHES)
        + random.choice(AFTER_AN_APOSTROPHE)
        for _ in range(size // 4)
    )


def _numbers(random: Random, size: int) -> str:
    forms = ("{}", "{}.{}", "-{},{}", "0x{:x}", "{}e{}", "٣{}", "{}²", "{}½ ", "{}\n", "１{}")
    return " ".join(
        random.choice(forms).format(random.getrandbits(random.choice((4, 9, 17, 33, 64))), random.randrange(999))
        for _ in range(size // 9)
    )


def _base64(random: Random, size: int) -> str:
    return base64.b64encode(random.randbytes(size * 3 // 4)).decode()


def _any_unicode(random: Random, size: int) -> str:
    return "".join(random.choice(random.choice(_classes())) for _ in range(size))


def _one_class(random: Random, size: int) -> str:
    """Words of one category each, with what commonly stands between words."""
    pieces = []
    while size > 0:
        length = random.randint(1, 12)
        pieces.append(
            "".join(random.choices(random.choice(_classes()), k=length)) + random.choice(("", " ", "'", "\n", "a"))
        )
        size -= length + 1
    return "".join(pieces)


def _marks(random: Random, size: int) -> str:
    """Combining marks alone, after spaces, after digits and in stacks."""
    return "".join(
        random.choice(("", " ", "e", "1", ".", "\n", "日"))
        + "".join(chr(random.randint(0x300, 0x36F)) for _ in range(random.choice((1, 1, 2, 9))))
        for _ in range(size // 3)
    )


def _emoji(random: Random, size: int) -> str:
    return "".join(random.choice(EMOJI) if random.random() < 0.8 else random.choice(WORDS) for _ in range(size))


def _special(random: Random, size: int) -> str:
    return "".join(random.choice(SPECIAL) + random.choice(("", " ", "\n", "x", "<|", "|>")) for _ in range(size // 14))


def _runs(random: Random, size: int) -> str:
    """One character again and again, one pair again and again."""
    unit = random.choice(
        (
            "a",
            "A",
            " ",
            "\n",
            "=",
            "-",
            "0",
            "é",
            "中",
            "aB",
            " \n",
            "\u0301",
            "🎉",
            "<|",
            random.choice(random.choice(_classes())),
        )
    )
    return unit * (size // len(unit))


def _letters(random: Random, size: int) -> str:
    return "".join(
        random.choices(
            random.choice(
                (string.ascii_lowercase, string.ascii_letters, string.hexdigits, string.punctuation, string.printable)
            ),
            k=size,
        )
    )


def _json(random: Random, size: int) -> str:
    rows = [
        {"id": number, "price": random.random(), "name": random.choice(WORDS), "ok": None}
        for number in range(size // 60 + 1)
    ]
    return json.dumps(rows, ensure_ascii=random.random() < 0.5, indent=random.choice((None, 2, "\t")))


def _mixture(random: Random, size: int) -> str:
    """Short pieces of all the others, so that every class meets every other."""
    return "".join(random.choice(GENERATED)(random, random.randint(4, 60)) for _ in range(size // 30))


GENERATED: tuple[Make, ...] = (
    _prose, _spaces, _apostrophes, _numbers, _base64, _any_unicode, _one_class, _marks, _emoji, _special, _runs, _letters, _json,
)  # fmt: skip


@cache
def _files() -> tuple[Path, ...]:
    """Of Python's own library, and this project's pages."""
    library = Path(sysconfig.get_path("stdlib"))
    own = [
        path for path in library.rglob("*.*") if path.suffix in (".py", ".txt") and "site-packages" not in path.parts
    ]
    return *sorted(own), *sorted((Path(__file__).resolve().parents[2] / "docs").rglob("*.md"))


def _found() -> Iterator[tuple[str, str]]:
    """What lies on every machine, again and again."""
    for path in cycle(_files()):
        text = path.read_text(encoding="utf-8", errors="replace")
        for start in range(0, len(text), LARGEST):
            yield path.suffix[1:], text[start : start + LARGEST]


def corpus(size: int, *, seed: int = 7, files: float = 0.4) -> Iterator[tuple[str, str]]:
    """(kind, text) up to ``size`` bytes in UTF-8, of which ``files`` is the share of what is found on the machine."""
    random, found = Random(seed), _found()
    makers = (*GENERATED, _mixture, _mixture, _mixture)
    from_files = generated = 0
    while from_files + generated < size:
        if from_files < size * files:
            kind, text = next(found)
            from_files += len(text.encode())
        else:
            make = random.choice(makers)
            kind, text = (
                make.__name__.strip("_"),
                make(random, int(random.choice((1, 3, 10, 30, 100)) ** 2.2 + 3))[:LARGEST],
            )
            generated += len(text.encode())
        if text:
            yield kind, text
