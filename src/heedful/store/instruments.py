"""Instruments: the name and total of a questionnaire in; its one spelling and a checked score out.

Ranges are those of the published scoring. A questionnaire that is not in the table is taken under its own name, any number.

| | | source |
| --- | --- | --- |
| PHQ-9, PHQ-8, PHQ-2 | depression | Kroenke 2001 (10.1046/j.1525-1497.2001.016009606.x), 2009, 2003 |
| GAD-7, GAD-2 | anxiety | Spitzer 2006 (10.1001/archinte.166.10.1092), Kroenke 2007 |
| PCL-5 | post-traumatic stress | Weathers 2013, National Center for PTSD |
| PSS-10 | stress | Cohen 1983 (10.2307/2136404) |
| ISI | insomnia | Morin 2011 (10.1093/sleep/34.5.601) |
| K10 | distress | Kessler 2002 (10.1017/S0033291702006074) |
| WEMWBS | well-being | Tennant 2007 (10.1186/1477-7525-5-63) |
| AUDIT | alcohol | Saunders 1993 (10.1111/j.1360-0443.1993.tb02093.x) |
"""

import math
import re

from heedful.errors import StatementRefused

RANGES = {
    "phq-9": (0, 27),
    "phq-8": (0, 24),
    "phq-2": (0, 6),
    "gad-7": (0, 21),
    "gad-2": (0, 6),
    "pcl-5": (0, 80),
    "pss-10": (0, 40),
    "isi": (0, 28),
    "k10": (10, 50),
    "wemwbs": (14, 70),
    "audit": (0, 40),
}
NAME = re.compile(r"[a-z0-9][a-z0-9._ -]{0,31}", re.ASCII)
BY_LETTERS = {name.replace("-", ""): name for name in RANGES}


def spell(name: str) -> str:
    """PHQ9, phq_9 and PHQ-9 are one. Raises StatementRefused for what is no name."""
    plain = name.strip().lower().replace("_", "-")
    if not NAME.fullmatch(plain):
        allowed = "up to 32 letters, digits, dots, spaces and dashes, such as phq-9"
        raise StatementRefused(f"the name of a questionnaire has {allowed}", "instrument")
    return BY_LETTERS.get(re.sub(r"[ .-]", "", plain), plain)


def check_score(instrument: str, score: float) -> None:
    """`instrument` as `spell` gives it. Raises StatementRefused for a score that it cannot have."""
    if not math.isfinite(score):
        raise StatementRefused(f"{score} is no score", "score")
    low, high = RANGES.get(instrument, (-math.inf, math.inf))
    if not low <= score <= high:
        raise StatementRefused(f"{instrument} is {score:g}; its total is from {low} to {high}", "score")
    if instrument in RANGES and score != int(score):
        raise StatementRefused(f"{instrument} is {score:g}; its total is a whole number", "score")
