"""Write ``dates.tsv``: dates as people write them in six languages, each with the same date in ISO form.

A line is a date in words, a tab, and ``YYYY-MM-DD``. Every day from 1900 to 2099 is as likely as any other, and every
style of every language is listed below with its weight. Styles whose meaning depends on who reads them (``5/3/87``) are
left out, and so are years of two digits. A weekday that stands before a date is the right one.

What has to be learnt: the names of the months and their short forms in six languages, ordinals and Roman numerals,
which number is the day and which the year, years in English words, and that the weekday does not matter.

Run it without arguments to rewrite the file next to it, byte for byte as it is committed.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from pathlib import Path

SEED = 1582
PAIRS = 10_000
FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)


def words(text: str) -> tuple[str, ...]:
    """Split a compact list."""
    return tuple(text.split())


MONTHS: dict[str, tuple[str, ...]] = {
    "English": words("January February March April May June July August September October November December"),
    "German": words("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
    "French": words("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
    "Spanish": words("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
    "Italian": words("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
    "Dutch": words("januari februari maart april mei juni juli augustus september oktober november december"),
}
SHORT_MONTHS: dict[str, tuple[str, ...]] = {
    "English": words("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"),
    "German": words("Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez."),
    "French": words("janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc."),
    "Spanish": words("ene feb mar abr may jun jul ago sep oct nov dic"),
}
WEEKDAYS: dict[str, tuple[str, ...]] = {  # Monday first.
    "English": words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    "German": words("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag"),
    "French": words("lundi mardi mercredi jeudi vendredi samedi dimanche"),
    "Spanish": words("lunes martes miércoles jueves viernes sábado domingo"),
    "Italian": words("lunedì martedì mercoledì giovedì venerdì sabato domenica"),
    "Dutch": words("maandag dinsdag woensdag donderdag vrijdag zaterdag zondag"),
}
ROMAN = words("I II III IV V VI VII VIII IX X XI XII")
UNITS = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = words("twenty thirty forty fifty sixty seventy eighty ninety")
ORDINALS = words(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
)
GERMAN_ORDINALS = words(  # As they are declined after "am".
    "ersten zweiten dritten vierten fünften sechsten siebten achten neunten zehnten elften zwölften dreizehnten "
    "vierzehnten fünfzehnten sechzehnten siebzehnten achtzehnten neunzehnten zwanzigsten"
)


def below_hundred(number: int) -> str:
    """Return a number from 0 to 99 in English words."""
    if number < 20:
        return UNITS[number]
    tens, rest = divmod(number, 10)
    return TENS[tens - 2] + (f"-{UNITS[rest]}" if rest else "")


def year_in_words(year: int) -> str:
    """Return a year as it is said: nineteen hundred, nineteen oh five, nineteen eighty-seven, two thousand and nine."""
    century, rest = divmod(year, 100)
    if century == 20 and rest < 10:
        return "two thousand" + (f" and {UNITS[rest]}" if rest else "")
    if rest == 0:
        return f"{UNITS[century]} hundred"
    return f"{below_hundred(century)} {f'oh {UNITS[rest]}' if rest < 10 else below_hundred(rest)}"


def ordinal(day: int) -> str:
    """Return the ordinal of a day of the month in English words."""
    if day <= 20:
        return ORDINALS[day - 1]
    return "thirtieth" if day == 30 else f"{TENS[day // 10 - 2]}-{ORDINALS[day % 10 - 1]}"


def german_ordinal(day: int) -> str:
    """Return the ordinal of a day of the month in German words, as it stands after "am"."""
    if day <= 20:
        return GERMAN_ORDINALS[day - 1]
    if day == 30:
        return "dreißigsten"
    units = ["", "einund", "zweiund", "dreiund", "vierund", "fünfund", "sechsund", "siebenund", "achtund", "neunund"]
    return units[day % 10] + ("zwanzigsten" if day < 30 else "dreißigsten")


def numbered(day: int) -> str:
    """Return a day with its English ending: 1st, 2nd, 3rd, 4th, 11th."""
    ending = "th" if 10 < day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def month(language: str, date: datetime.date) -> str:
    """Return the name of a date's month."""
    return MONTHS[language][date.month - 1]


def short(language: str, date: datetime.date) -> str:
    """Return the short name of a date's month."""
    return SHORT_MONTHS[language][date.month - 1]


def weekday(language: str, date: datetime.date) -> str:
    """Return the name of the day of the week."""
    return WEEKDAYS[language][date.weekday()]


def first(day: int, sign: str) -> str:
    """Return a day as French and Italian write it: the first of a month with a sign, the others as numbers."""
    return f"1{sign}" if day == 1 else str(day)


Style = Callable[[datetime.date], str]
STYLES: list[tuple[int, Style]] = [  # How often, and how.
    (6, lambda d: f"{d.day} {month('English', d)} {d.year}"),
    (6, lambda d: f"{month('English', d)} {d.day}, {d.year}"),
    (4, lambda d: f"{month('English', d)} {numbered(d.day)}, {d.year}"),
    (4, lambda d: f"the {numbered(d.day)} of {month('English', d)}, {d.year}"),
    (4, lambda d: f"the {ordinal(d.day)} of {month('English', d)}, {d.year}"),
    (4, lambda d: f"{d.day} {short('English', d)} {d.year}"),
    (4, lambda d: f"{weekday('English', d)}, {month('English', d)} {d.day}, {d.year}"),
    (4, lambda d: f"{weekday('English', d)} the {ordinal(d.day)} of {month('English', d)} {d.year}"),
    (4, lambda d: f"{month('English', d)} the {ordinal(d.day)}, {year_in_words(d.year)}"),
    (6, lambda d: f"{d.day}. {month('German', d)} {d.year}"),
    (4, lambda d: f"{weekday('German', d)}, {d.day}. {month('German', d)} {d.year}"),
    (4, lambda d: f"{weekday('German', d)}, den {d.day}. {month('German', d)} {d.year}"),
    (4, lambda d: f"am {german_ordinal(d.day)} {month('German', d)} {d.year}"),
    (3, lambda d: f"{d.day}. {short('German', d)} {d.year}"),
    (3, lambda d: f"{d.day}.{d.month}.{d.year}"),
    (4, lambda d: f"{d.day}. {ROMAN[d.month - 1]}. {d.year}"),
    (6, lambda d: f"le {first(d.day, 'er')} {month('French', d)} {d.year}"),
    (4, lambda d: f"{weekday('French', d)} {first(d.day, 'er')} {month('French', d)} {d.year}"),
    (3, lambda d: f"{first(d.day, 'er')} {short('French', d)} {d.year}"),
    (5, lambda d: f"{d.day} de {month('Spanish', d)} de {d.year}"),
    (4, lambda d: f"{month('Spanish', d)} {d.day} de {d.year}"),
    (4, lambda d: f"{weekday('Spanish', d)}, {d.day} de {month('Spanish', d)} de {d.year}"),
    (3, lambda d: f"{d.day}-{short('Spanish', d)}-{d.year}"),
    (4, lambda d: f"{first(d.day, 'º')} {month('Italian', d)} {d.year}"),
    (4, lambda d: f"{weekday('Italian', d)} {first(d.day, 'º')} {month('Italian', d)} {d.year}"),
    (4, lambda d: f"{d.day} {month('Dutch', d)} {d.year}"),
    (4, lambda d: f"{weekday('Dutch', d)} {d.day} {month('Dutch', d)} {d.year}"),
    (2, lambda d: f"{d.year}/{d.month:02d}/{d.day:02d}"),
]


def generate(seed: int, pairs: int) -> list[tuple[str, str]]:
    """Return so many pairs of a date in words and in ISO form, in random order and no words twice."""
    draw = random.Random(seed)
    weights = [weight for weight, _ in STYLES]
    found: dict[str, str] = {}
    while len(found) < pairs:
        date = FIRST + datetime.timedelta(days=draw.randrange((LAST - FIRST).days + 1))
        style = draw.choices(STYLES, weights)[0][1]
        found.setdefault(style(date), date.isoformat())
    return list(found.items())


def write(folder: Path) -> None:
    """Write the pairs, a line each."""
    lines = [f"{words}\t{date}\n" for words, date in generate(SEED, PAIRS)]
    folder.joinpath("dates.tsv").write_bytes("".join(lines).encode("utf-8"))


if __name__ == "__main__":
    write(Path(__file__).resolve().parent)
