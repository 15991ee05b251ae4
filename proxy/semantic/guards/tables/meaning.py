"""Small words that decide what an answer is, by the guard that watches over them. They only name what differs; nothing here is folded."""

NEGATIONS = frozenset(
    "no not never none nobody nothing nowhere neither nor without instead except hardly barely cannot unless lack lacks lacking".split()
)

SCOPE = frozenset(
    """all some any every each only both either most many much few several least almost nearly exactly about approximately just
    always often usually sometimes rarely seldom mostly mainly main everyone anyone someone everybody anybody somebody everything
    anything something a the another other such including more less""".split()
)  # fmt: skip

COMPARISON = frozenset(
    """more most less least better best worse worst than larger largest smaller smallest bigger biggest higher highest lower lowest
    older oldest younger youngest longer longest shorter shortest faster fastest slower slowest cheaper cheapest richer richest
    heavier lighter earlier earliest later latest greater greatest fewer fewest nearest closest farthest deepest tallest taller
    hotter hottest colder coldest same equal first second third last top bottom as""".split()
)  # fmt: skip

TENSE = frozenset(
    """is are was were be been being am has have had having do does did done will would going went gone goes go ran run runs
    happens happened happen ended ends end began begins begin worked works work plays played play used uses use""".split()
)  # fmt: skip

MODALITY = frozenset(
    "can could may might must shall should will would need needs ought allowed required possible have to".split()
)

PERSON = frozenset(
    """i me my mine myself you your yours yourself he him his himself she her hers herself it its itself we us our ours ourselves
    they them their theirs themselves one one's""".split()
)  # fmt: skip

QUESTION = frozenset("who whom whose what which when where why how whether".split())

MONTHS = frozenset(
    "january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec".split()
)

DATES = MONTHS | frozenset(
    """monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday tonight noon midnight morning evening
    am pm bc ad bce ce week weekend month year decade century spring summer autumn winter christmas easter next previous""".split()
)  # fmt: skip

UNITS = frozenset(
    """km m cm mm kilometer kilometers kilometre kilometres meter meters centimeter centimeters millimeter millimeters mile miles
    foot feet inch inches yard yards kg g mg kilogram kilograms gram grams pound pounds ounce ounces lb lbs oz ton tons liter liters
    litre litres gallon gallons cup cups seconds minute minutes hour hours day days ms s h kb kB KB mb MB Mb gb GB Gb GiB TB
    TiB byte bytes bit bits mph km/h dollars euros pounds yen % percent percentage degrees celsius fahrenheit °C °F W kW MW volts
    watts""".split()
)  # fmt: skip

_OPPOSITES = """
enable disable; enabled disabled; increase decrease; increasing decreasing; before after; buy sell; buying selling; minimum maximum;
min max; import export; allow deny; allow block; allow forbid; open close; opened closed; encrypt decrypt; compress decompress;
ascending descending; lock unlock; install uninstall; advantages disadvantages; advantage disadvantage; mute unmute; push pull; gain lose;
first last; upload download; full empty; inner outer; start stop; begin end; for against; upper lower; rise fall; attach detach;
formal informal; subscribe unsubscribe; positive negative; left right; hot cold; lend borrow; lent borrowed; encode decode;
sunrise sunset; on off; in out; up down; above below; over under; add remove; insert delete; accept reject; accept refuse; connect disconnect;
true false; yes no; legal illegal; safe unsafe; safe dangerous; possible impossible; like unlike; like dislike; love hate; win lose;
pass fail; success failure; succeed fail; show hide; expand collapse; read write; send receive; give take; give receive; push pop;
serialize deserialize; parallel serial; synchronous asynchronous; static dynamic; public private; internal external; input output;
source target; source destination; client server; parent child; ancestor descendant; absolute relative; include exclude; including excluding;
join leave; enter exit; enter leave; arrive depart; early late; old new; young old; rich poor; cheap expensive; strong weak; hard soft; hard easy;
easy difficult; fast slow; quick slow; light dark; light heavy; bright dark; high low; tall short; long short; wide narrow; thick thin;
deep shallow; big small; large small; good bad; best worst; better worse; more less; most least; many few; largest smallest;
biggest smallest; highest lowest; longest shortest; oldest youngest; oldest newest; fastest slowest; cheapest dearest; earliest latest;
wet dry; clean dirty; sweet sour; alive dead; asleep awake; male female; man woman; king queen; husband wife; north south; east west;
top bottom; front back; inside outside; ordered unordered; sorted unsorted; signed unsigned; reversible irreversible; common uncommon;
dependent independent; likely unlikely; mutable immutable; finite infinite; linear nonlinear; rational irrational; odd even; credit debit;
asset liability; profit loss; tax subsidy; supply demand; employer employee; teacher student; doctor patient; plaintiff defendant;
guilty innocent; optional required; optional mandatory; temporary permanent; ancient modern; natural artificial; raw cooked; freeze thaw;
heat cool; melt freeze; boil freeze; inhale exhale; attack defend; build destroy; create destroy; create delete; grow shrink;
divide multiply; plus minus; sum difference; follow unfollow; pin unpin; archive unarchive; mount unmount; load unload; wrap unwrap;
zip unzip; tie untie; pack unpack; dress undress; do undo; undo redo; approve disapprove; agree disagree; appear disappear; obey disobey;
activate deactivate; promote demote; upgrade downgrade; inflate deflate; ascend descend; accelerate decelerate; immigrate emigrate;
maximize minimize; maximise minimise; overestimate underestimate; major minor; majority minority; superior inferior; optimist pessimist;
exact approximate; explicit implicit; hit miss; lower raise; increase reduce; noon midnight; day night; summer winter; future past;
"""

ANTONYMS = frozenset(
    frozenset(pair.split()) for pair in _OPPOSITES.replace("\n", " ").split(";") if len(pair.split()) == 2
)
"""Pairs of words of which one asks for the opposite of the other."""
