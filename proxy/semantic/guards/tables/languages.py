"""Words by which a language is known. For all but English there are no tables of meaning: only these few of courtesy and of asking."""

ENGLISH = frozenset(
    """the what how who why when where which explain describe you your my this that these those with does did has have write tell please
    should would could whose about from they there because list of give suggest""".split()
)  # fmt: skip
"""One of these makes a text English, unless a word of ``OTHERS`` is there too."""

PERHAPS_ENGLISH = frozenset("is are a an it to in can i do was for on be if and".split())
"""Three different ones of these, and of ordinary words, do."""

OTHERS = frozenset(
    """der das dem den und ist nicht ein eine einer einem wie wer wo warum wann ich du sie wir auf mit für von zu im bitte kann
    le les un une des du et est pas que qui quoi comment pourquoi où je tu il elle nous vous dans sur avec pour au aux ce cette quel quelle
    el los las una del y es por qué cómo quién cuál dónde cuándo yo ella en con para su como
    lo gli di che chi come dove perché quando non sono per della nel il è
    o os as um uma do da dos das não não quem qual onde eu ele ela em com
    het een van en niet ik je zijn op te voor wat hoe waar
    och är inte jag det som på av för med hur vad
    jest nie się na czy jak co é""" .split()
) - ENGLISH - PERHAPS_ENGLISH - frozenset("as me en do co o y com um eu per come".split())  # fmt: skip

ASKING = frozenset(
    """was wer wie wo wann warum weshalb wohin woher welche welcher welches wieviel
    qui que quoi quel quelle quels quelles comment pourquoi où quand combien qu'est-ce
    qué quién quiénes cuál cuáles cómo dónde cuándo cuánto cuánta cuántos cuántas
    chi che cosa come dove perché quando quale quali quanto quanti qual
    quem onde como quanto quantos quantas
    кто что где когда почему зачем как какой какая какое какие сколько
    ما ماذا من هل كيف أين متى لماذا كم""".split()
)  # fmt: skip
"""A sentence that begins with one of these asks, with or without its mark."""

ASKING_FIRST = ("怎么", "为什么", "如何", "多少", "कौन", "कहाँ", "कैसे")
"""The same where words are not set apart."""

ASKING_LAST = ("吗", "呢", "ですか", "ますか")
"""And at the end. In the middle they may be part of a statement: ``he knows how to``."""

EXCLAIMING = frozenset(
    "was wie que quel quelle quale quanto quanta como come cosa quando quand что как когда ما من".split()
)
"""Of those, the ones that begin other sentences too (``wie immer``): there a question mark counts."""

COURTESY = {
    "bitte": ("bitte",),
    "por": ("por", "favor"),
    "per": ("per", "favore"),
    "s'il": ("s'il", "vous", "plaît"),
}
"""First word to the phrase: left out at either end, set apart by a comma."""

RUSSIAN_COURTESY = ("скажите", ",", "пожалуйста", ",")
CHINESE_COURTESY = "请问"
