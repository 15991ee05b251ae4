"""Plain words and phrases that can stand for each other in any question, each to the one that stands for all.

Left out is whatever has another sense that somebody might ask about: ``big`` (big data), ``benefits`` (of an insurance), ``remove`` (a
file from git), ``present``, ``film``, ``kids``, ``repo`` (of a bank), ``AI`` (in cattle). A pair that is missing costs a hit; a pair too many costs a wrong answer.
"""

from collections.abc import Iterator

CONTRACTIONS = {
    "what's": "what is", "who's": "who is", "where's": "where is", "when's": "when is", "why's": "why is", "how's": "how is",
    "whats": "what is", "hows": "how is", "wheres": "where is", "whos": "who is",
    "that's": "that is", "there's": "there is", "here's": "here is", "it's": "it is", "he's": "he is", "she's": "she is",
    "i'm": "i am", "you're": "you are", "we're": "we are", "they're": "they are", "what're": "what are",
    "i've": "i have", "you've": "you have", "we've": "we have", "they've": "they have",
    "i'll": "i will", "you'll": "you will", "he'll": "he will", "she'll": "she will", "it'll": "it will", "we'll": "we will", "they'll": "they will",
    "cannot": "can not", "can't": "can not", "won't": "will not", "don't": "do not", "doesn't": "does not", "didn't": "did not",
    "isn't": "is not", "aren't": "are not", "wasn't": "was not", "weren't": "were not", "haven't": "have not", "hasn't": "has not",
    "hadn't": "had not", "wouldn't": "would not", "shouldn't": "should not", "couldn't": "could not", "mustn't": "must not",
    "dont": "do not", "doesnt": "does not", "didnt": "did not", "isnt": "is not",
}  # fmt: skip

IS_OR_HAS = frozenset(word for word in CONTRACTIONS if word.endswith(("'s", "hows", "whats", "wheres", "whos")))
"""``who's left`` may be ``who has left``: before a participle these stay."""

PARTICIPLES = frozenset(
    """arisen awoken beaten become been begun bent bet bitten bled blown born borne bound bred broken brought built burnt burst bought cast
    caught chosen clung come cost crept cut dealt done drawn dreamt driven drunk dug eaten fallen fed felt fled flown flung forbidden
    foreseen forgiven forgotten forsaken fought found frozen given gone got gotten ground grown had heard held hidden hit hung hurt kept
    knelt known laid lain leant leapt learnt led left lent let lit lost made meant met mistaken mown overcome overthrown overtaken paid
    proven put quit read rent rid ridden risen run rung said sat sawn seen sent set sewn shaken shaved shed shone shorn shot shown shrunk
    shut slain slept slid slung smelt sold sought sown spat sped spelt spent spilt split spoilt spoken spread sprung spun stolen stood
    stricken striven struck strung stuck stung stunk sung sunk swept sworn swollen swum swung taken taught thought thriven thrown thrust
    told torn trodden understood undertaken undone upset wept withdrawn withheld withstood woken won worn wound woven written wrung""".split()
)  # fmt: skip

ADVERBS = frozenset(
    """already just never ever always also not once yet often since now still only even almost all so far long ago really actually quite
    recently probably perhaps maybe long-since been""".split()
)  # fmt: skip
"""May stand between ``has`` and its participle."""

_UK_US = """
colour color; colours colors; coloured colored; favourite favorite; favourites favorites; flavour flavor; flavours flavors; neighbour neighbor;
neighbours neighbors; neighbourhood neighborhood; behaviour behavior; behaviours behaviors; honour honor; humour humor; labour labor; rumour rumor;
tumour tumor; harbour harbor; centre center; centres centers; theatre theater; theatres theaters; fibre fiber; fibres fibers; tyres tires; cosy cozy; aluminium aluminum; catalogue catalog; jewellery jewelry; pyjamas pajamas; moustache mustache;
yoghurt yogurt; doughnut donut; doughnuts donuts; defence defense; offence offense; licence license; sceptical skeptical;
travelling traveling; traveller traveler; cancelled canceled; cancelling canceling; modelling modeling; labelled labeled;
organise organize; organised organized; organising organizing; organisation organization; organisations organizations; optimise optimize;
optimised optimized; optimising optimizing; optimisation optimization; analyse analyze; analysed analyzed; analysing analyzing; apologise apologize;
recognise recognize; realise realize; specialise specialize; customise customize; memorise memorize; minimise minimize; maximise maximize;
initialise initialize; serialise serialize; visualise visualize; categorise categorize; authorise authorize; normalise normalize;
prioritise prioritize; summarise summarize; capitalise capitalize; criticise criticize; emphasise emphasize; synchronise synchronize;
synchronisation synchronization; initialisation initialization; normalisation normalization; colonisation colonization; civilisation civilization;
globalisation globalization; industrialisation industrialization; urbanisation urbanization; anaemia anemia; oestrogen estrogen; paediatric pediatric;
orthopaedic orthopedic; encyclopaedia encyclopedia; omelette omelet; plough plow; sulphur sulfur; utilise use; utilize use; utilising using;
utilizing using
"""
SPELLINGS = {pair.split()[0]: pair.split()[1] for pair in _UK_US.replace("\n", " ").split(";")}

SINGLE = {
    **SPELLINGS,
    "an": "a", "okay": "ok", "vs.": "versus", "vs": "versus", "e-mail": "email", "e-mails": "emails", "wi-fi": "wifi",
    "biggest": "largest", "quickest": "fastest", "automobile": "car", "automobiles": "cars", "television": "tv",
    "telephone": "phone", "telephones": "phones", "refrigerator": "fridge", "photograph": "photo",
    "photographs": "photos", "perhaps": "maybe", "drawbacks": "disadvantages",
    "drawback": "disadvantage", "quickly": "fast", "wealthiest": "richest",  "k8s": "kubernetes", "JS": "javascript", "postgresql": "postgres", "USA": "usa", "US": "usa", "UK": "uk", "EU": "eu", "NYC": "nyc",
    "WW2": "wwii", "WWII": "wwii", "WW1": "wwi", "WWI": "wwi", "frequently": "often", "sofa": "couch", "sofas": "couches",
}  # fmt: skip

_NAMED = frozenset(("usa", "uk", "eu", "nyc", "wwi", "wwii"))

_PHRASES = """
in order to = to
united states of america = usa
the united states of america = usa
the united states = usa
united states = usa
the us versus = the us versus
the us and = the us and
the us or = the us or
the us = usa
the usa = usa
the united kingdom = uk
united kingdom = uk
the uk = uk
the european union = eu
european union = eu
the eu = eu
new york city = nyc
world war 2 = wwii
world war two = wwii
the second world war = wwii
second world war = wwii
world war 1 = wwi
world war one = wwi
the first world war = wwi
first world war = wwi
pros and cons = advantages and disadvantages
web site = website
wi fi = wifi
per cent = %
talk to = speak to
for instance = for example
how much time does it take to = how long does it take to
in what year = what year
in which year = what year
which year = what year
which country = what country
which countries = what countries
which city = what city
which language = what language
which planet = what planet
which planets = what planets
which continent = what continent
which river = what river
which smartphone = what smartphone
which laptop = what laptop
closest airport = nearest airport
closest hospital = nearest hospital
closest pharmacy = nearest pharmacy
closest station = nearest station
closest restaurant = nearest restaurant
closest supermarket = nearest supermarket
closest city = nearest city
closest star = nearest star
closest planet = nearest planet
closest galaxy = nearest galaxy
birthday present = birthday gift
birthday presents = birthday gifts
christmas present = christmas gift
christmas presents = christmas gifts
wedding present = wedding gift
wedding presents = wedding gifts
what exactly = what
how exactly = how
where exactly = where
why exactly = why
why is it that = why
degrees celsius = °C
degrees fahrenheit = °F
degrees Celsius = °C
degrees Fahrenheit = °F
call a cab = call a taxi
to repair = to fix
to begin = to start
to purchase = to buy
to construct = to build
i purchase = i buy
i repair = i fix
i begin = i start
"""


def _variants(line: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The phrase as it stands and, where it is a name, with its capitals."""
    phrase, _, stands = line.partition(" = ")
    yield tuple(phrase.split()), tuple(stands.split())
    if stands in _NAMED:
        capitals = (word if word in ("the", "of", "usa", "uk", "eu") else word.capitalize() for word in phrase.split())
        yield tuple(capitals), (stands,)


def _by_first(text: str) -> dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]]:
    found: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for line in filter(None, text.split("\n")):
        for words, stands in _variants(line):
            found.setdefault(words[0], []).append((words, stands))
    return {first: tuple(sorted(rows, key=lambda row: -len(row[0]))) for first, rows in found.items()}


PHRASES = _by_first(_PHRASES)
"""First word to the phrases that begin with it, the longest first, and what stands for each."""
