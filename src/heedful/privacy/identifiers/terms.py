"""Terms: words in one text, spaces between them, in; the words, out. For lists that are longer than a line."""


def terms(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())
