"""Web addresses: found, bounded and judged."""

import pytest

from heedful.guards.reply.urls import Url, find_urls, is_whole


@pytest.mark.parametrize(
    "address",
    [
        *("https://www.samhsa.gov/find-help", "http://example.org", "www.example.org", "HTTPS://Example.ORG/A?b=c&d=%20e#f"),
        *("https://findahelpline.com/", "https://localhost:8000/v1", "http://192.168.0.1/a", "https://münchen.de"),
        *("https://en.wikipedia.org/wiki/Rest_(music)", "https://a.xn--p1ai/b", "https://a-b.co.uk:443"),
    ],
)
def test_whole_addresses(address: str) -> None:
    assert is_whole(address)


@pytest.mark.parametrize(
    "address",
    [
        *("http:", "https:/", "https://", "https://www", "https://www.", "https://www.samhsa", "https://samhsa.g", "www.example"),
        *("https://samhsa.gov/find-", "https://samhsa.gov/a%2", "https://.org", "https://a..org", "https://a.org:x"),
        *("https://en.wikipedia.org/wiki/Rest_(mus", "https://[::1", "https:samhsa.gov"),
    ],
)
def test_broken_addresses(address: str) -> None:
    assert not is_whole(address)


def test_an_address_ends_before_the_punctuation_of_its_sentence() -> None:
    text = "Read [this](https://a.org/b), (https://c.org/d_(e)). Or www.f.org! Or https://"
    assert find_urls(text) == [
        Url("https://a.org/b", 12, 27, True),
        Url("https://c.org/d_(e)", 31, 50, True),
        Url("www.f.org", 56, 65, True),
        Url("https://", 70, 78, False),
    ]


def test_text_without_addresses() -> None:
    assert find_urls("A helpline, e.g. example.org or the http protocol. Awww.") == []
