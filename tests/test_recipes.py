"""Recipes: each loads, explains every value, and is what `heedful init --recipe` copies."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from heedful.cli.init import RECIPES, app, recipe_names, recipe_text
from heedful.config import Settings, load_settings
from heedful.errors import ConfigError

NAMES = ("background-dialogpt", "calma-llama", "campus-llama32-3b", "freud-phi2", "ketamine-llama31-8b")


def test_all_are_there_and_seen_at_the_top_of_the_repository() -> None:
    assert tuple(recipe_names()) == NAMES
    assert (Path(__file__).resolve().parents[1] / "recipes").resolve() == RECIPES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_loads_and_changes_something(name: str) -> None:
    settings = load_settings(RECIPES / f"{name}.yaml")
    assert settings.base != "tiny"
    assert settings.system_prompt != Settings().system_prompt
    assert "emergency" in settings.system_prompt


@pytest.mark.parametrize("name", NAMES)
def test_every_value_has_a_comment(name: str) -> None:
    text = recipe_text(name)
    assert text.startswith(f"# Recipe {name}: ")
    sections = {key for key, value in yaml.safe_load(text).items() if isinstance(value, dict)}
    for line in text.splitlines():
        key = line.strip().partition(":")[0]
        if line and not line.startswith("#") and key.replace("_", "").isalnum() and ":" in line and key not in sections:
            assert "  # " in line, line


def test_the_values_of_the_use_cases() -> None:
    freud, calma, ketamine = (load_settings(RECIPES / f"{name}.yaml") for name in (NAMES[3], NAMES[1], NAMES[4]))
    phi = freud.training
    assert (phi.rank, phi.alpha, phi.dropout, phi.learning_rate, phi.epochs, phi.batch_size, phi.max_length) == (
        16, 32, 0.05, 2e-4, 3, 16, 512,
    )  # fmt: skip
    assert phi.quantization == "nf4"
    llama = calma.training
    assert (llama.rslora, llama.dropout, llama.learning_rate, llama.weight_decay, llama.patience) == (True, 0.15, 1e-4, 0.01, 3)
    assert calma.dataset.split == (0.8, 0.1, 0.1)
    assert ketamine.training.targets == ["q_proj", "v_proj"]
    background, campus = (load_settings(RECIPES / f"{name}.yaml").training for name in (NAMES[0], NAMES[2]))
    assert [(one.strategy, one.budget_hours, one.replay) for one in (background, campus)] == [
        ("auto", 0.5, None),
        ("auto", 8, None),
    ]


def test_init_copies_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [str(tmp_path / "w"), "--recipe", "freud-phi2"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "w" / "heedful.yaml").read_text() == recipe_text("freud-phi2")


def test_an_unknown_recipe_names_the_known_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no recipe 'freud'; there is: background-dialogpt, calma-llama, campus"):
        recipe_text("freud")
    done = CliRunner().invoke(app, [str(tmp_path / "w"), "--recipe", "../tiny/config"])
    assert done.exit_code == 1
    assert not (tmp_path / "w").exists()
