"""Normalise: a text in, the same text without letter case and spacing out. Texts that differ only in these count as equal."""


def normalise(text: str) -> str:
    return " ".join(text.casefold().split())
