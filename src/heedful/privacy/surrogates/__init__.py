"""Surrogates: an identifier in; something of the same kind and form that belongs to nobody, out."""
