"""Time zones: the names that people use for them, and local times that the clocks skip or repeat."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cache
from types import MappingProxyType
from zoneinfo import ZoneInfo, available_timezones

_REGIONS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")

_PLACES: Mapping[str, str] = MappingProxyType(
    {
        "America/New_York": "et|est|edt|eastern|us eastern|boston|washington|washington dc|miami|atlanta|philadelphia",
        "America/Chicago": "ct|cst|cdt|central|us central|houston|dallas|austin|san antonio|new orleans|minneapolis",
        "America/Denver": "mt|mst|mdt|mountain|us mountain|salt lake city|albuquerque",
        "America/Los_Angeles": "pt|pst|pdt|pacific|us pacific|la|san francisco|seattle|san diego|las vegas|portland",
        "America/Toronto": "ottawa|quebec",
        "America/Edmonton": "calgary",
        "America/Mexico_City": "mexico",
        "America/Sao_Paulo": "brasilia|rio|rio de janeiro|brazil",
        "America/Argentina/Buenos_Aires": "argentina",
        "Europe/London": "bst|uk|england|scotland|wales|edinburgh|glasgow|manchester|birmingham|liverpool|cardiff",
        "Europe/Dublin": "ireland|cork",
        "Europe/Lisbon": "porto",
        "Europe/Berlin": "cest|germany|munich|munchen|hamburg|frankfurt|cologne|koln|stuttgart|leipzig|dresden",
        "Europe/Paris": "france|lyon|marseille|nice|toulouse|strasbourg",
        "Europe/Madrid": "spain|barcelona|valencia|seville|bilbao",
        "Europe/Rome": "italy|milan|milano|naples|turin|florence|venice",
        "Europe/Zurich": "switzerland|geneva|basel|bern|lausanne",
        "Europe/Vienna": "austria|graz|salzburg",
        "Europe/Amsterdam": "netherlands|holland|rotterdam|the hague|utrecht|eindhoven",
        "Europe/Brussels": "belgium|antwerp|ghent",
        "Europe/Prague": "czechia|brno",
        "Europe/Warsaw": "krakow|gdansk|wroclaw",
        "Europe/Stockholm": "sweden|gothenburg|malmo",
        "Europe/Copenhagen": "denmark|aarhus",
        "Europe/Oslo": "norway|bergen",
        "Europe/Helsinki": "eest|finland",
        "Europe/Athens": "greece|thessaloniki",
        "Europe/Kyiv": "ukraine|lviv|odesa",
        "Europe/Istanbul": "ankara|izmir",
        "Europe/Moscow": "msk|st petersburg|saint petersburg",
        "Africa/Lagos": "nigeria|abuja",
        "Africa/Nairobi": "kenya",
        "Africa/Johannesburg": "south africa|cape town|pretoria|durban",
        "Asia/Jerusalem": "haifa",
        "Asia/Riyadh": "saudi arabia|mecca|jeddah",
        "Asia/Qatar": "doha",
        "Asia/Dubai": "abu dhabi|uae",
        "Asia/Karachi": "pakistan|lahore|islamabad",
        "Asia/Kolkata": "ist|india|mumbai|delhi|new delhi|bangalore|bengaluru|chennai|hyderabad|pune",
        "Asia/Dhaka": "bangladesh",
        "Asia/Bangkok": "thailand",
        "Asia/Ho_Chi_Minh": "vietnam|hanoi",
        "Asia/Jakarta": "indonesia",
        "Asia/Kuala_Lumpur": "malaysia",
        "Asia/Manila": "philippines",
        "Asia/Shanghai": "china|beijing|shenzhen|guangzhou|hangzhou",
        "Asia/Hong_Kong": "hkt",
        "Asia/Singapore": "sgt",
        "Asia/Seoul": "kst|korea|south korea|busan",
        "Asia/Tokyo": "jst|osaka|kyoto|yokohama|sapporo",
        "Australia/Sydney": "aest|aedt|canberra",
        "Australia/Perth": "awst",
        "Pacific/Auckland": "nzst|nzdt|new zealand|wellington|christchurch",
        "Pacific/Honolulu": "hst|hawaii",
        "UTC": "z|zulu",
    }
)
"""Zone to the abbreviations, cities and countries that mean it and that the IANA names lack."""

YEARS = range(1900, 2200)
"""What is read as a date; at the very ends of the calendar, converting between zones fails."""

_OFFSET = re.compile(r"(?:utc|gmt)?([+-])(\d{1,2})(?::?00)?")
_CLOCK = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?(?:\s*([ap])\.?\s*m\.?)?", re.IGNORECASE)
_NAMED_TIMES = MappingProxyType({"noon": time(12), "midday": time(12), "midnight": time(0)})


class ZoneError(ValueError):
    """No zone has that name. The message is for the person."""


class TimeError(ValueError):
    """A text is no time. The message is for the person."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A local time as an instant (aware UTC), and words about it where the clocks skipped or repeated it."""

    at: datetime
    note: str = ""


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.replace("\u2212", "-"))
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    words = letters.casefold().replace("_", " ").replace(".", "").split()
    return " ".join(words[:-1] if len(words) > 1 and words[-1] == "time" else words)


@cache
def _index() -> Mapping[str, str]:
    """Everything that a zone may be called, to its IANA name. Reading the names takes some 40 ms, once."""
    names = sorted(available_timezones() - {"Factory", "localtime"})
    index: dict[str, str] = {}
    for zone, places in _PLACES.items():
        index.update(dict.fromkeys(places.split("|"), zone))
    for name in names:
        index.setdefault(_plain(name), name)
    for name in names:
        region, _, city = name.partition("/")
        if region in _REGIONS:
            index.setdefault(_plain(city), name)
            index.setdefault(_plain(city.rpartition("/")[2]), name)
    return index


def find(name: str) -> ZoneInfo:
    """The zone that a person means by an IANA name, a city, a country with one zone or an offset in whole hours.

    The first call reads the list of zones from disk. Raises ZoneError with what comes near.
    """
    index = _index()
    wanted = _plain(name)
    for candidate in (wanted, _plain(name.partition(",")[0])):
        if candidate in index:
            return ZoneInfo(index[candidate])
    if offset := _OFFSET.fullmatch(wanted.replace(" ", "")):
        # The IANA names count westward: Etc/GMT-2 is two hours ahead of Greenwich.
        fixed = f"Etc/GMT{'-' if offset[1] == '+' else '+'}{int(offset[2])}"
        if fixed in index.values():
            return ZoneInfo(fixed)
    near = dict.fromkeys(index[match] for match in difflib.get_close_matches(wanted, index, n=5, cutoff=0.7))
    hint = f"Did you mean {' or '.join(near)}?" if near else "Name a large city, or an IANA zone such as Europe/Berlin."
    raise ZoneError(f"There is no time zone called {name.strip()[:60]!r}. {hint}")


def label(moment: datetime) -> str:
    """The zone of a local time with its offset then, such as `Europe/Berlin (UTC+02:00)`."""
    offset = moment.strftime("%z")
    shown = f"UTC{offset[:3]}:{offset[3:5]}"
    name = str(moment.tzinfo)
    return shown if name.startswith("Etc/") else f"{name} ({shown})"


def spoken(moment: datetime) -> str:
    """A local time for people: `Sunday, 29 March 2026, 14:05`."""
    return f"{moment:%A}, {moment.day} {moment:%B %Y, %H:%M}"


def resolve(local: datetime, zone: ZoneInfo) -> Moment:
    """The instant of a local time. One that the clocks skip counts on from before; of two, the first is taken."""
    first = local.replace(tzinfo=zone, fold=0)
    at = first.astimezone(UTC)
    shown = at.astimezone(zone)
    if shown.replace(tzinfo=None, fold=0) != local.replace(fold=0):
        return Moment(
            at, f"{local:%H:%M} does not exist on that day in {zone}: the clocks skip it, so it is {shown:%H:%M}."
        )
    if local.replace(tzinfo=zone, fold=1).utcoffset() != first.utcoffset():
        return Moment(
            at, f"{local:%H:%M} happens twice on that day in {zone}, when the clocks go back: the first is meant."
        )
    return Moment(at)


def parse(text: str) -> datetime | time:
    """Read an ISO-8601 date and time (naive, or with an offset), or a time of day alone: `18:30`, `6.30 pm`, `noon`.

    Raises TimeError.
    """
    stripped = text.strip()
    clock = _NAMED_TIMES.get(stripped.lower()) or _clock(stripped)
    if clock:
        return clock
    try:
        if ":" in stripped[:3]:
            return time.fromisoformat(stripped)
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        raise TimeError(f"{stripped[:60]!r} is not a time that I can read; write it like 2026-03-29T14:30.") from None
    if moment.year not in YEARS:
        raise TimeError(f"{stripped[:60]!r} is outside of the years {YEARS.start} to {YEARS.stop - 1}.")
    if len(stripped) <= len("2026-03-29"):
        raise TimeError(f"{stripped!r} has no time of day; write it like 2026-03-29T14:30.")
    return moment


def _clock(text: str) -> time | None:
    found = _CLOCK.fullmatch(text)
    if not found:
        return None
    hour, minute, half = int(found[1]), int(found[2] or 0), (found[3] or "").lower()
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None
