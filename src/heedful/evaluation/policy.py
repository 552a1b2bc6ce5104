"""Policy: what the gate asks of a check. A check, a pack (YAML in assets/gate) and gate.checks of heedful.yaml in; a Rule out.

Three layers, the later one wins: what the check declares, what the pack says, what the team says. A rule has two numbers. What is
measured may not pass `limit`. `slack` is how far beyond the limit the true value may still lie, as far as the evidence can tell:
none of 27 replies shows a fault, and yet one in ten may have it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from heedful.config import CheckRule, GateSettings, Level
from heedful.errors import ConfigError
from heedful.evaluation.checks import SHARE, Check

Value = TypeVar("Value")

PACKS = Path(__file__).resolve().parents[1] / "assets" / "gate"


@dataclass(frozen=True, slots=True)
class Rule:
    """`least`: so many replies or conversations at least, or the check says nothing. `off`: the check is not made."""

    limit: float
    slack: float
    least: int
    level: Level


def rule_for(check: Check, gate: GateSettings) -> Rule:
    """Raises ConfigError when the pack cannot be read."""
    pack = read_pack(gate.pack)
    layers = (pack.checks.get(check.name, CheckRule()), gate.checks.get(check.name, CheckRule()))
    share = pack.slack if gate.slack is None else gate.slack
    slack = check.slack if check.slack is not None else share if check.unit.startswith(SHARE) else 0.0
    return Rule(
        limit=newest(check.limit, [layer.limit for layer in layers]),
        slack=newest(slack, [layer.slack for layer in layers]),
        least=newest(check.least, [layer.least for layer in layers]),
        level=newest("blocking" if check.blocking else "advisory", [layer.level for layer in layers]),
    )


def newest(declared: Value, layers: list[Value | None]) -> Value:
    said = [value for value in layers if value is not None]
    return said[-1] if said else declared


@dataclass(frozen=True, slots=True)
class Pack:
    """What a kind of companion is asked for."""

    about: str
    slack: float
    suites: tuple[str, ...]
    checks: dict[str, CheckRule]


@lru_cache(maxsize=8)
def read_pack(name: str) -> Pack:
    """One of the packaged ones."""
    told: dict[str, Any] = yaml.safe_load((PACKS / f"{name}.yaml").read_text(encoding="utf-8"))
    checks = {check: CheckRule(**rule) for check, rule in told["checks"].items()}
    return Pack(told["about"], told["slack"], tuple(told["suites"]), checks)


def pack_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in PACKS.glob("*.yaml")))


def suites_asked(gate: GateSettings) -> tuple[str, ...]:
    """Names of the written suites that are put to a model beside held-out prompts."""
    return read_pack(gate.pack).suites if gate.suites is None else gate.suites


def check_names(gate: GateSettings, known: Collection[str]) -> None:
    """Raises ConfigError for a rule about a check that does not exist: it would be thought to hold."""
    unknown = sorted(set(gate.checks) - set(known))
    if unknown:
        raise ConfigError(
            f"gate.checks has {unknown[0]!r}; there is: {', '.join(sorted(known))}", "mend gate.checks in heedful.yaml"
        )
