"""What people say before and after a question and that is no part of it. It goes only where a question is left behind it."""

WH = frozenset("what who whom whose which when where why how".split())
AUXILIARIES = frozenset(
    """is are was were am do does did has have had can could will would should must may might shall isn't aren't wasn't weren't don't doesn't
    didn't can't couldn't won't wouldn't shouldn't hasn't haven't""".split()
)  # fmt: skip

IMPERATIVES = frozenset(
    """act add analyse analyze answer calculate call check classify compare compose compute convert correct count create define describe
    design draft explain extract find fix generate give help imagine implement list make name outline plan proofread provide recommend
    rephrase replace rewrite say show solve sort spell suggest summarise summarize tell translate write""".split()
)  # fmt: skip

WRITTEN = frozenset("write explain translate answer draft summarize summarise rewrite".split())
"""Of those, the ones after which a language is what the answer is to be in."""

SHORT_WH = frozenset("what's who's where's when's how's why's whats hows wheres".split())
QUESTIONS = WH | AUXILIARIES | IMPERATIVES | SHORT_WH
"""A question or a request begins with one of these; before anything else, nothing is taken away."""

STARTERS = QUESTIONS | frozenset("i i'm i've my in on using with if there there's it it's they they're".split())
"""And with these, after a mark."""


def _phrases(text: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(phrase.split()) for phrase in text.split(";") if phrase.strip())


OPENINGS = _phrases("""
hi; hello; hey; hi there; hello there; hey there; good morning; good afternoon; good evening; excuse me; greetings;
so; well; ok; okay; ok so; okay so; alright; alright so; um; uh; hmm; basically; by the way; btw; just curious; i'm just curious;
i am just curious; out of curiosity; quick question; a quick question; i have a question; i have a quick question; i've a question;
one question; question; i need help; i need your help; i need some help; could you help me; can you help me; please help;
please help me; please; kindly
""")

APART = _phrases("""
so; well; ok; okay; alright; basically; question; one question; i need help; i need your help; i need some help; could you help me;
can you help me; please help; please help me
""")
"""Of those, the ones that have to be set apart by a mark: without it they may be part of what is asked."""

REQUESTS = _phrases("""
can you please; could you please; would you please; will you please; please can you; please could you; please would you; please will you;
can you kindly; could you kindly; would you kindly; i want you to; i would like you to; i'd like you to; i need you to
""")
"""Before what one can be told to do."""

POLITE_ABILITIES = _phrases("can you; could you")
"""Also questions about what somebody is able or willing to do: they go only before ``REQUESTED``."""

REQUESTED = _phrases(
    "tell me; explain; give me; show me; help me; summarize; summarise; list the; list all; recommend me; write me"
)

ASKINGS = _phrases("""
tell me; do you know; do you happen to know; could you tell me; can you tell me; please tell me;
i would like to know; i'd like to know; i want to know; i wanted to know; i need to know; i was wondering; i wonder; i am wondering;
i'm wondering; i wanted to ask; i want to ask; i would like to understand; i'd like to understand; i want to understand;
explain; explain to me; help me understand; help me to understand; would you mind telling me; any idea; i am curious; i'm curious;
may i ask; can i ask; could i ask
""")
"""Before an indirect question, whose order of words is another."""

NOT_AFTER = {
    ("tell", "me"): frozenset(("if", "when")),
    ("explain",): frozenset(("if",)),
    ("would", "you", "mind", "telling", "me"): frozenset(("if",)),
}
"""``Tell me when it is done`` asks for something else than when that is."""

DEMONSTRATIONS = _phrases("show me; teach me; describe; tell me")
"""The same, before ``how`` only."""

INDIRECT = WH | frozenset(("if", "whether"))

CLOSINGS = _phrases("""
please; pls; plz; thanks; thx; cheers; thank you; thanks a lot; thanks so much; many thanks; thank you very much; thank you so much;
thanks in advance; thank you in advance
""")

BARE_CLOSINGS = frozenset(("please", "pls", "plz"))
"""These also without a mark before them."""

LONGEST = 6
"""Words of a phrase here."""

COURTESIES = frozenset(
    word
    for phrases in (OPENINGS, REQUESTS, POLITE_ABILITIES, ASKINGS, DEMONSTRATIONS, CLOSINGS)
    for phrase in phrases
    for word in phrase
) - frozenset(("will", "may"))
"""All words of these phrases."""
