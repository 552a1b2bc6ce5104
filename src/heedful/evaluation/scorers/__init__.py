"""All checks over replies. Every module of this package is imported, so that adding a check is adding a file."""

from importlib import import_module
from pkgutil import iter_modules

from heedful.evaluation.empathy import EmpathyScore, empathy
from heedful.evaluation.scorer import Scorer, declared

__all__ = ["SCORERS", "EmpathyScore", "empathy"]

for _module in sorted(module.name for module in iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")

SCORERS: tuple[Scorer, ...] = declared()
