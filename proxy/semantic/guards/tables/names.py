"""Names that mean the same however they are capitalised, and words that a capital does not turn into a name.

Left out on purpose is whatever is both: turkey, polish, rust, apple, windows, excel, may, march, us, it, who. Their case is kept, and
a question that writes them otherwise is another question.
"""

NAMES = frozenset(
    """
    afghanistan albania algeria andorra angola argentina armenia australia austria azerbaijan bahamas bahrain bangladesh barbados belarus
    belgium belize benin bhutan bolivia botswana brazil brunei bulgaria burundi cambodia cameroon canada colombia croatia cuba cyprus
    denmark djibouti ecuador egypt eritrea estonia ethiopia fiji finland france gabon gambia germany ghana greece greenland guatemala
    guyana haiti honduras hungary iceland india indonesia iran iraq ireland israel italy jamaica japan kazakhstan kenya kuwait laos
    latvia lebanon liberia libya liechtenstein lithuania luxembourg madagascar malawi malaysia malta mauritania mauritius mexico moldova
    monaco mongolia montenegro morocco mozambique myanmar namibia nepal netherlands nicaragua niger nigeria norway oman pakistan panama
    paraguay peru philippines poland portugal qatar romania russia rwanda scotland senegal serbia singapore slovakia slovenia somalia spain
    sudan suriname sweden switzerland syria taiwan tanzania thailand tunisia uganda ukraine uruguay uzbekistan venezuela vietnam wales
    yemen zambia zimbabwe europe asia africa america antarctica england britain
    amsterdam athens baghdad bangkok barcelona beijing beirut belgrade berlin bogota brussels bucharest budapest cairo copenhagen
    dublin edinburgh frankfurt geneva hamburg hanoi helsinki istanbul jakarta kyiv lagos lima lisbon london madrid
    manila melbourne milan montreal moscow mumbai munich nairobi oslo paris prague reykjavik riga rome seoul shanghai
    stockholm sydney tallinn tokyo toronto vienna vilnius warsaw zagreb zurich florida california texas chicago boston
    american african asian european british german french italian spanish portuguese dutch  norwegian swedish russian
    chinese japanese korean arabic hebrew hindi latin ukrainian hungarian romanian
    monday tuesday wednesday thursday friday saturday sunday january february april june july september october november december
    christmas easter everest napoleon shakespeare einstein
    linux ubuntu debian  docker kubernetes javascript typescript postgres postgresql mysql sqlite mongodb redis github gitlab git
    numpy scipy pytorch tensorflow django powershell macos ios iphone ipad youtube facebook instagram tiktok whatsapp gmail google
    microsoft netflix wikipedia spotify linkedin reddit openai chatgpt nvidia bitcoin ethereum wifi wi-fi bluetooth
    """.split()
)

ACRONYMS = frozenset(
    """sql html css json xml csv pdf url api cpu gpu usb dna rna gdp hiv http https tcp udp dns ssh ssl tls vpn nato nasa fbi cia eu uk usa
    ceo phd php aws gcp yaml npm tv dvd pc nba nfl fifa uefa seo faq bmi adhd cv""".split()
)  # fmt: skip
"""The same, written in capitals or without any."""

LANGUAGES = frozenset(
    """english german french spanish italian portuguese dutch danish norwegian swedish finnish polish russian ukrainian czech greek turkish
    arabic hebrew hindi urdu bengali chinese mandarin cantonese japanese korean vietnamese thai indonesian latin esperanto hungarian
    romanian bulgarian serbian croatian swahili welsh irish""".split()
)  # fmt: skip
"""Human languages: a question that names one is often about words."""

TOOLS = frozenset(
    """Python python Java java javascript typescript C C++ C# Go Rust Ruby ruby php Perl perl Swift Kotlin kotlin Scala Haskell haskell R Julia
    Lua lua Elixir bash Bash sql html css Excel excel linux ubuntu debian macos Windows pandas numpy git docker django Flask React
    Angular Vue Node.js node.js powershell latex LaTeX MATLAB matlab mysql postgres postgresql sqlite""".split()
)  # fmt: skip
"""What a thing is done in or with: said before the question or after it, it is the same question."""

ORDINARY = frozenset(
    """
    a about above account across add after again age ages ago air all almost also am an and animal animals answer any anyone anything are area
    around as ask at average away baby back bad bank be because become bed been before began begin behind being below best better
    between beyond big bird birds birthday blood blue body bone bones book books both bread bring brother build building built but buy by
    calculate call can cancel cannot capital car cause causes center change check child children choose city class clean close code cold
    color colour come common company compare compute convert cook correct cost could count countries country create cut daily date day days
    deep define definition delete describe design did die difference different difficult dinner disease divide do does dog dogs doing done door
    down draft draw dream drink drive during each early earth easy eat economy egg eggs eight either email end energy enough error
    essay even evening ever every everyone everything example examples exercise explain eye eyes fact facts family famous far fast father
    feel few file files fill film find fire first fish fix five flag flight flower food foods for form formula found four free friend
    from front fruit full function gas generate get girl give go going gold good got government grow guess had hair half hand happen happened
    happens happy hard has have he head health healthy heart heavy height help here high highest him his history home hot hour hours
    house how human i idea ideas if imagine important improve in increase inflation information inside install instead interesting into
    invented is island its job join joke keep key kind know lake language large largest last late later law learn least leave left length
    less let letter level life light like line list little live long longest look lose lot love low lowest lunch machine made main make making
    many map market meal mean meaning meat medicine meet member memory men message metal method middle milk mind minute minutes money
    month months moon more morning most mother mountain mountains mouth move movie movies much music must my myself name names near
    need never new news next night nine no nobody none nor not note nothing now number numbers object ocean of off often oil
    old oldest on once one only open or order origin other our outline outside over own page paper parents part parts party password pay people
    per percent person phone picture place plan planet planets plant plants play please poem point police population possible power
    predict president price problem process produce program prove provide public purpose put quarter question questions quick quickly
    quote rain range rank rate read ready reason reasons recent recipe recommend red reduce related remove repair replace report rewrite
    rice right river rivers road room rule rules run safe salt salty same save say school science sea season second see sell send
    sentence set seven several sex shape she short should show side simple since sister six size skin sky sleep slow small
    smallest snow so solve some someone something sometimes son song soon sort sound soup speak spell sport stand star stars
    start state states steps still stone stop store story street strong student students study such sugar suggest summarise summarize summary
    summer sun support sure symptoms system table take talk tall tallest tax tea teach team tell temperature ten test than thank thanks that the
    their them then theory there these they thing things think this those three through time times tip tips title to today together
    tomorrow too top total town train translate travel tree trees try turn twelve two type types under until update upon use used user using
    value very visit volume vote wait walk want war was wash water way ways we wear weather week weeks weight well went were what
    when where whether which while whole whose why wife wild win wind window winter with without woman women work works world
    worst would write wrong year years yellow yes yesterday yet you your yourself zero
    whats hows wheres ok okay hello hi hey hmm um uh well just basically actually
    """.split()
)
"""Lower-case words that stay what they are when a sentence begins with them, or when a text shouts or Has All Its Words Like This."""

FUNCTION = frozenset(
    """a an and are as at be but by can could did do does for from had has have how if in into is its of on or should than that the
    their there these they this those to was were what when where which why with without would you your i my""".split()
)  # fmt: skip
"""Small words that are ordinary even with a capital in the middle of a sentence."""

TITLES_TOO = frozenset(
    ("Can", "Do", "If", "It", "May", "Will", "Who", "Us", "There", "Have", "Had", "Which", "Was", "Were", "They", "You")
)
"""Of those, the ones that are titles or names often enough to keep their capital there."""
