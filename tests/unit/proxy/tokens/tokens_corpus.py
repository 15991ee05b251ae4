"""Texts of many kinds, for tests that compare counts."""

import json
import random

_random = random.Random(7)

PROSE = {
    "english": "The committee met on Tuesday to review the annual budget. Several members raised concerns about rising "
    "costs, while others argued that it's overdue; they'll vote in the next session.\n\n",
    "german": "Der Ausschuss trat am Dienstag zusammen, um den Jahreshaushalt zu prüfen. Mehrere äußerten Bedenken. ",
    "russian": "Комитет собрался во вторник, чтобы рассмотреть годовой бюджет. Несколько членов выразили обеспокоенность. ",
    "arabic": "اجتمعت اللجنة يوم الثلاثاء لمراجعة الميزانية السنوية. وأعرب العديد من الأعضاء عن قلقهم. ",
    "hindi": "समिति ने वार्षिक बजट की समीक्षा के लिए मंगलवार को बैठक की। कई सदस्यों ने बढ़ती लागत पर चिंता जताई। ",
    "chinese": "委员会在星期二开会审查年度预算。几位成员对成本上升表示关注，而其他人则认为投资早就应该进行了。",
    "japanese": "委員会は火曜日に年次予算を検討するために会合を開きました。数名の委員が懸念を示しました。",
    "korean": "위원회는 화요일에 연간 예산을 검토하기 위해 모였습니다. 여러 위원이 우려를 제기했습니다. ",
}

CODE = {
    "python": "def fold(items, *, start=0):\n    total = start\n    for i, item in enumerate(items):\n"
    "        if item is None or item.value < 0:\n            continue\n        total += item.value * WEIGHTS[i]\n\n",
    "c": "static int push(struct ring *r, const uint8_t *p, size_t n) {\n\tif (r->len + n > r->cap) return -ENOSPC;\n"
    "\tr->len += n;\n\treturn 0;\n}\r\n",
    "json": json.dumps([{"id": i, "price": i * 1.37, "tags": ["a", "b"], "ok": True} for i in range(12)]),
    "html": '<div class="card"><a href="https://example.com/a/b?c=1&d=2">Read&nbsp;more</a><ul><li>One</li></ul></div>\n',
}

AWKWARD = {
    "emoji": "😀🎉🔥🚀👨‍👩‍👧‍👦🇩🇪🏳️‍🌈💡 wow 👍🏽 ",
    "special": "<|im_start|>system<|im_end|><|endoftext|><|start|>",
    "digits": "".join(_random.choices("0123456789", k=200)),
    "letters": "".join(_random.choices("abcdefghijklmnopqrstuvwxyz", k=300)),
    "marks": "".join(chr(_random.randint(0x300, 0x36F)) for _ in range(100)),
    "astral": "".join(chr(_random.randint(0x20000, 0x2A6DF)) for _ in range(100)),
    "white": " \t \n\n   \r\n    x  \n y   /\n/  ",
    "math": "∑_{i=1}^{n} x_i² ≤ ∫₀^∞ e^{-λt} dt ⇒ ∀ε>0 ∃δ: |f(x)-L| < ε",
    "nul": "a\x00b\ufeffc\u200b",
}

ALL = PROSE | CODE | AWKWARD
