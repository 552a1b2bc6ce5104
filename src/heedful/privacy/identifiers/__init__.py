"""Identifiers: a text in; the places in it that name a person, or narrow down who it is, out."""
