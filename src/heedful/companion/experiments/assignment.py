"""Assignment: the draw of a person in; which variant serves them, for as long as the experiment runs, out."""

from heedful.store.schema_experiments import Variant


def variant_of(draw: str, share: float) -> Variant:
    """`draw` is a keyed hash in hex: even over all its values, the same whenever the person comes, and nobody's choice."""
    return "challenger" if int(draw[:16], 16) < share * 2**64 else "champion"
