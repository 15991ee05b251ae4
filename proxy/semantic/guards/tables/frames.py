"""Words that say how a question is built: which verbs move, which ones only look like an action, what can be turned around."""

MOVING = frozenset("is are was were can should will must".split())
"""Verbs that stand at the end of an indirect question and at the front of a direct one."""

OTHER_VERBS = frozenset("do does did has have had am would could might may shall be been being".split())
INNER_CLAUSES = frozenset("that who whom whose which where when while if whether because".split())
"""Beside one of these nobody can say which verb belongs where."""

PRONOUNS = frozenset("i you we he she it they there".split())

DEGREES = frozenset(
    "old big tall far long high deep fast heavy large hot cold expensive common dangerous safe important hard difficult".split()
)
"""After ``how`` these belong to it."""

FINAL = {
    "works": "does work", "happens": "does happen", "ended": "did end", "started": "did start", "began": "did begin",
    "fell": "did fall", "sank": "did sink", "died": "did die", "happened": "did happen", "opened": "did open", "closed": "did close",
    "collapsed": "did collapse", "failed": "did fail", "lived": "did live", "exploded": "did explode", "worked": "did work",
}  # fmt: skip
"""A verb that ends an indirect question, as a direct one has it."""

SAME_IN_PAST = frozenset(
    """put cut set hit let read shut cost hurt quit spread split bet cast burst beat become come run reset offset upset preset broadcast
    forecast fit wet wed rid thrust slit knit bid sweat input output shed found saw fell felt left lay wound bound ground rose bore
    smelt bent rent dove""".split()
)
"""Present or past, of one verb or of two: an indirect question with one of them stays as it is."""

STATES = frozenset(
    """look sound feel seem appear compare rank score smell taste die fare not be become have owe own weigh keep relate exist matter know help do stack measure differ end rate
    come benefit affect influence impact react respond perform behave function stand fit age sleep work grow inherit contribute belong
    figure count hear digest breathe cause perceive live need""".split()
)  # fmt: skip
"""``How do I look`` is not ``how to look``."""

BARE = frozenset("work happen live".split())
"""A verb that ends an indirect question of many."""

WITHOUT_THE = frozenset("is are was were explain describe outline".split())
"""After these ``the`` may go. After a preposition it decides: ``in front of`` and ``in the front of``."""

CALCULATE = frozenset("calculate compute".split())

SUPERLATIVES = frozenset(
    """best worst largest smallest highest lowest oldest youngest longest shortest fastest slowest cheapest richest poorest
    heaviest lightest earliest latest greatest nearest closest farthest deepest tallest widest strongest weakest hottest coldest
    easiest hardest safest""".split()
)  # fmt: skip

PREPOSITIONS = frozenset(
    "in of for with without on at to from than versus by into over under as before after between and or vs".split()
)

REPORTING = frozenset(
    """say said says think thinks thought believe know tell told claim claimed hope want wants remember promise promised agree offer plan
    decide ask vow commit threaten intend arrange refuse prepare expect consent vote bet swear sign demand insist order request propose
    advise warn mean try warned agreed warns accept choose""".split()
)  # fmt: skip
"""With one of these a condition may belong to either verb."""

SEEKING = frozenset("code find search look hire apply study job jobs work".split())
"""``Find jobs in Python`` is about jobs, ``in Python, find`` about a program."""

SAME_IN_PLURAL = frozenset(
    """series species aircraft spacecraft hovercraft fish sheep deer means offspring moose salmon trout shrimp swine bison squid cod tuna
    headquarters crossroads barracks gallows software hardware equipment chassis corps""".split()
)  # fmt: skip
"""Of these only ``is`` or ``are`` says how many are wanted."""

TOLD = frozenset(
    "tale tales story stories joke jokes poem poems song songs code source rhyme riddle riddles text lyrics".split()
)
"""``Give me the shortest poem`` wants the poem, ``what is the shortest poem`` its name."""

PLACES = frozenset("work school market bed church town heaven hell home go the a my your".split())
"""``The way to work`` is a road."""

INVENTED = frozenset("my our his her their this fictional fictitious fantasy imaginary imagined new".split())
"""What is said to be so may have no name yet: ``name the hero of my novel``."""

CONDITIONED = frozenset("should can do will is are what how".split())
