"""Gates: a pattern in; beginnings of words out, one of which every text that it matches must hold. So most patterns need no search.

A gate is a set of the first three letters of words; `None` says that nothing could be derived and the pattern must always be tried.
"""

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

op: Any = import_module("re._constants")  # the parse tree of the standard library's own compiler
parser: Any = import_module("re._parser")
LETTERS = 3
# So common that a gate of them would stand open.
COMMON = frozenset(("i", "a", "an", "the", "to", "of", "and", "or", "in", "on", "at", "my", "me", "is", "be", "it", "not", "no"))
Gate = frozenset[str] | None


def gate_of(pattern: str) -> Gate:
    found, _ = sequence(parser.parse(pattern), at_start=True)
    useful = [gate for gate in found if not gate & COMMON]
    return min(useful, key=len) if useful else None


def gates_of(pattern: str) -> tuple[frozenset[str], ...]:
    """Every gate of a pattern, of the commonest words too. What it matches opens them all."""
    return tuple(sequence(parser.parse(pattern), at_start=True)[0])


def sequence(items: Iterable[tuple[object, Any]], at_start: bool) -> tuple[list[frozenset[str]], bool]:
    """Gates of a row of items, and whether what follows begins a word."""
    gates: list[frozenset[str]] = []
    run = ""
    tree = list(items)
    for place, (kind, value) in enumerate(tree):
        if kind is op.LITERAL and isinstance(value, int):
            character = chr(value)
            if character.isalnum():
                if run or at_start:
                    run += character
                at_start = False
                continue
            gates += finished(run, ended=True)
            run, at_start = "", character == " "
            continue
        gates += finished(run, ended=kind is op.ASSERT_NOT)
        run = ""
        more, at_start = single(kind, value, at_start, last=place == len(tree) - 1)
        gates += more
    gates += finished(run, ended=False)
    return gates, at_start


def finished(run: str, ended: bool) -> list[frozenset[str]]:
    """The gate of a run of letters that began a word. A short run that may go on could be the beginning of anything."""
    return [frozenset({run[:LETTERS]})] if len(run) >= LETTERS or (run and ended) else []


def single(kind: object, value: Any, at_start: bool, last: bool) -> tuple[list[frozenset[str]], bool]:
    if kind is op.SUBPATTERN:
        return sequence(value[-1], at_start)
    if kind is op.BRANCH:
        return branch(value[1], at_start)
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, _, inside = value
        if least >= 1:
            return sequence(inside, at_start)[0], False
        return [], at_start and ends_in_space(inside)
    if kind in (op.ASSERT, op.ASSERT_NOT, op.AT):
        return [], at_start
    return [], False


def branch(choices: Iterable[Iterable[tuple[object, Any]]], at_start: bool) -> tuple[list[frozenset[str]], bool]:
    """One gate of all choices together, if each has one."""
    union: set[str] = set()
    starts = True
    for choice in choices:
        gates, start = sequence(choice, at_start)
        starts = starts and start
        useful = [gate for gate in gates if not gate & COMMON]
        if not useful:
            return [], False
        union |= min(useful, key=len)
    return [frozenset(union)], starts


def ends_in_space(items: Iterable[tuple[object, Any]]) -> bool:
    """Whether what is optional ends with a space, so that a word begins behind it either way."""
    tree = list(items)
    if not tree:
        return False
    kind, value = tree[-1]
    if kind is op.SUBPATTERN:
        return ends_in_space(value[-1])
    if kind is op.BRANCH:
        return all(ends_in_space(choice) for choice in value[1])
    return kind is op.LITERAL and chr(value) == " "


def compiled(pattern: str) -> tuple[re.Pattern[str], Gate]:
    """Whole words only."""
    return re.compile(rf"(?<![\w'])(?:{pattern})(?![\w'])"), gate_of(pattern)
