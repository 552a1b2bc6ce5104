"""Configuration: the order of the layers, and errors that name the place, the key and what is allowed."""

from pathlib import Path

import pytest

from heedful.config import Settings, load_settings
from heedful.errors import ConfigError


def yaml_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "heedful.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_beat_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = yaml_file(tmp_path, "training: {epochs: 2, rank: 4, alpha: 8}\nserver: {port: 9000}\n")
    monkeypatch.setenv("HEEDFUL_TRAINING__RANK", "6")
    monkeypatch.setenv("HEEDFUL_TRAINING__ALPHA", "12")
    settings = load_settings(path, {"training": {"alpha": 24, "epochs": None}})
    assert (settings.training.epochs, settings.training.rank, settings.training.alpha) == (2, 6, 24)
    assert settings.server.port == 9000
    assert settings.generation == Settings().generation


def test_no_file_gives_the_defaults() -> None:
    settings = load_settings()
    assert settings.base == "tiny"
    generation = settings.generation
    assert (generation.max_new_tokens, generation.temperature, generation.top_p) == (150, 0.7, 0.9)
    assert (generation.repetition_penalty, generation.no_repeat_ngram) == (1.2, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainig: {epochs: 2}", "unknown key 'trainig'; the nearest known key is 'training'"),
        ("training: {epoch: 2}", "unknown key 'training.epoch'; the nearest known key is 'training.epochs'"),
        ("training: {epochs: -1}", "training.epochs = -1: Input should be greater than 0"),
        ("generation: {temperature: hot}", "generation.temperature = 'hot': Input should be a valid number"),
        ("dataset: {split: [0.5, 0.1, 0.1]}", "must be three positive shares that add up to 1"),
        ("- base", "holds a list; it must hold keys and values"),
        ("base: [", "is not valid YAML"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = yaml_file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert message in caught.value.text
    assert str(path) in caught.value.text
    assert "\n" not in caught.value.text
    assert caught.value.next_step


def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEEDFUL_TRAINING__EPOC", "3")
    with pytest.raises(
        ConfigError, match=r"environment variable HEEDFUL_TRAINING__EPOC: unknown key 'training.epoc'.*'training.epochs'"
    ):
        load_settings()


def test_a_wrong_value_names_the_layer_that_set_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = yaml_file(tmp_path, "training: {rank: 8}")
    monkeypatch.setenv("HEEDFUL_TRAINING__RANK", "0")
    with pytest.raises(ConfigError, match=r"environment: training\.rank = '0'"):
        load_settings(path)
    with pytest.raises(ConfigError, match=r"command line: training\.rank = -2"):
        load_settings(path, {"training": {"rank": -2}})
