"""CLINC150 (Larson et al., 2019) as ten routes, one for each domain of fifteen intents, and queries out of their scope.

The descriptions were written once, with the names of the intents and two train queries of each in view, and not changed
after a measurement.
"""

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from omni_router.routers import OTHER, RouteOption

DESCRIPTIONS = {
    "auto_and_commute": "traffic, directions and distances; where one is right now; fuel level, fuel type and mileage; "
    "oil changes; tire pressure and changing tires; car maintenance and a dead battery; calling a taxi or an Uber",
    "banking": "bank account balance and recent transactions; transferring money between accounts; paying bills, due "
    "dates and minimum payments; how much was spent on something; blocked accounts and fraud; routing numbers, PIN "
    "codes and ordering checks; interest rate of an account",
    "credit_cards": "applying for a credit card and the state of the application; lost or damaged cards and their "
    "replacement; why a card was declined; credit limit and raising it; credit score and improving it; reward points; "
    "annual rate, fees abroad and expiration date of a card",
    "home": "playing music, skipping a song and playlists; which song is playing; shopping lists; to-do lists and "
    "reminders; calendar events; lights, thermostat and other smart devices; ordering goods and tracking a package",
    "kitchen_and_dining": "recipes and meal ideas; ingredients and substitutes for them; calories and nutrition; "
    "cooking times and how long food keeps; restaurant suggestions and reviews; making, confirming and cancelling a "
    "table reservation; how busy a restaurant is",
    "meta": "yes, no and maybe; cancel that; repeat what was said; volume, speed, accent and language of the voice; "
    "whisper mode; changing the assistant's or the user's name; resetting settings and connecting a device",
    "small_talk": "greetings and goodbyes; saying thanks; jokes and fun facts; the assistant's name, age and origin; "
    "who made the assistant and whom it works for; its hobbies and pets, and whether it is a bot; the meaning of life",
    "travel": "booking flights, hotels and rental cars; flight status, carry-on rules and lost luggage; visas, "
    "vaccinations and safety alerts for a country; sights and activities at a destination; exchange rates, time zones "
    "and power plugs abroad; translating a phrase into a foreign language; telling the bank about a trip",
    "utility": "timers and alarms; current time and date; weather forecast; calculations and unit conversion; spelling "
    "and meaning of a word; flipping a coin and rolling dice; calling, texting, sharing a location and finding a phone",
    "work": "days off and vacation requests; salary, payday and direct deposit; taxes and the W-2 form; 401k rollover; "
    "health insurance and changing it; scheduling meetings and looking them up; next public holiday",
}


class Query(NamedTuple):
    """A line of the data: out of scope, its domain is `other`."""

    text: str
    intent: str
    domain: str


def read(data: Path, part: str) -> list[Query]:
    """Read `train` or `val`; empty when the file is not there."""
    path = data / f"clinc150_{part}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [Query(given["text"], given["intent"], given["domain"]) for given in map(json.loads, lines)]


def draw(queries: Sequence[Query], per_intent: int, seed: int, skip: int = 0) -> list[Query]:
    """Draw as many queries of each intent in scope; those after the first `skip` of the same draw are other ones."""
    intents = defaultdict(list)
    for query in queries:
        if query.domain != OTHER:
            intents[query.intent].append(query)
    chance = random.Random(seed)
    return [query for members in intents.values() for query in chance.sample(members, len(members))[skip:][:per_intent]]


def offered(examples: Sequence[Query]) -> list[RouteOption]:
    """Make the ten routes, with the examples of their intents."""
    return [
        RouteOption(domain, description, tuple(query.text for query in examples if query.domain == domain))
        for domain, description in DESCRIPTIONS.items()
    ]
