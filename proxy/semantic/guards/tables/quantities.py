"""How numbers, ordinals, units and times are written, each spelling to the one that stands for all. Short units count only after a number."""

NUMBER_WORDS = {
    "zero": 0, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
"""Without ``one``, which mostly is no number."""

ONE_TO_NINE = {"one": 1, **{word: value for word, value in NUMBER_WORDS.items() if 0 < value < 10}}
SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}

HYPHENED = {
    f"{ten}-{word}": str(NUMBER_WORDS[ten] + value)
    for ten in ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
    for word, value in ONE_TO_NINE.items()
}

ORDINALS = {
    "1st": "first", "3rd": "third", "4th": "fourth", "5th": "fifth", "6th": "sixth", "7th": "seventh", "8th": "eighth",
    "9th": "ninth", "10th": "tenth", "11th": "eleventh", "12th": "twelfth", "13th": "thirteenth", "14th": "fourteenth",
    "15th": "fifteenth", "16th": "sixteenth", "17th": "seventeenth", "18th": "eighteenth", "19th": "nineteenth", "20th": "twentieth",
}  # fmt: skip

ROMAN = {"II": "2", "III": "3", "VII": "7", "VIII": "8", "IX": "9", "XII": "12", "XIII": "13", "XIV": "14", "XVI": "16"}
"""Those that are nothing else. Single letters, IV (drips), VI (an editor), XI and XV are left as they are."""

NUMBERED = frozenset(
    "War war Henry Louis Type type Part part Chapter chapter Phase phase Stage stage Act act Volume volume Title title".split()
)
"""After these a Roman numeral is a number."""

UNITS = {
    "km": "kilometers", "kilometre": "kilometers", "kilometres": "kilometers", "kilometer": "kilometers",
    "cm": "centimeters", "centimetre": "centimeters", "centimetres": "centimeters", "centimeter": "centimeters",
    "mm": "millimeters", "millimetre": "millimeters", "millimetres": "millimeters", "millimeter": "millimeters",
    "kg": "kilograms", "kilogram": "kilograms", "kilos": "kilograms", "mg": "milligrams", "milligram": "milligrams",
    "metre": "meters", "metres": "meters", "meter": "meters", "litre": "liters", "litres": "liters", "liter": "liters",
    "mile": "miles", "hour": "hours", "hrs": "hours", "minute": "minutes", "mins": "minutes", "min": "minutes", "second": "seconds",
    "secs": "seconds", "sec": "seconds", "day": "days", "week": "weeks", "month": "months", "year": "years",
    "percent": "%", "dollar": "dollars", "euro": "euros", "gram": "grams", "gallon": "gallons", "inch": "inches", "word": "words",
    "degrees": "degrees", "mph": "mph", "ms": "ms", "kB": "kB", "KB": "KB", "MB": "MB", "GB": "GB", "TB": "TB", "Mb": "Mb", "Gb": "Gb",
    "MiB": "MiB", "GiB": "GiB", "KiB": "KiB",
}  # fmt: skip
"""After a number, apart from it or not: unit to the one spelling."""

SPELT_UNITS = {
    "kilometre": "kilometer", "kilometres": "kilometers", "centimetre": "centimeter",
    "centimetres": "centimeters", "millimetre": "millimeter", "millimetres": "millimeters", "litre": "liter", "litres": "liters",
}  # fmt: skip
"""Anywhere. Not the metre, since a meter is a device as well."""

CURRENCIES = {"$": "dollars", "€": "euros", "£": "£", "¥": "¥"}
"""Pounds are weighed too, and ¥ is two currencies."""
HALVES_OF_DAY = {"am": "am", "pm": "pm", "AM": "am", "PM": "pm", "a.m": "am", "p.m": "pm"}
MONTHS = frozenset("January February March April May June July August September October November December".split())
MONTHS_IN_DATES = {form: name.lower() for name in MONTHS for form in (name, name.lower())}
"""Beside a day, whatever else the word may be."""
