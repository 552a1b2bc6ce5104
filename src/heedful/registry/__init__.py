"""Registry: which versions there are, what they came from, which one serves, and who moved an alias."""
