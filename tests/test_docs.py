"""The documentation is true: its verbs exist, its files exist, its samples import, its configuration loads."""

import re
from pathlib import Path

import pytest
import yaml

from heedful.cli.main import VERBS
from heedful.config import load_settings
from heedful.sources import FORMAT_NAMES, BadRow, Hints, Passed, find, read

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted([REPOSITORY / "README.md", *REPOSITORY.glob("docs/**/*.md")])
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SAMPLE = re.compile(r"<!-- import: (\w+) (\d+) -->\n```\w+\n(.*?)```", re.DOTALL)
SAMPLES = SAMPLE.findall((REPOSITORY / "docs" / "formats.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_verb_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    code = "\n".join([*re.findall(r"```(?:sh|text)?\n(.*?)```", text, re.DOTALL), *re.findall(r"`([^`\n]+)`", text)])
    named = set(re.findall(r"\bheedful ([a-z]+)\b", code))
    assert named <= set(VERBS), named - set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_path_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    paths = re.findall(r"`((?:src|docs|scripts|tests)/[\w./-]+)`", text)
    for name in [*links, *paths]:
        assert (REPOSITORY / name).exists() or (page.parent / name).exists(), name


def test_the_annotated_tree_is_the_tree() -> None:
    tree = README.split("## The code")[1].split("```text\n")[1].split("```")[0]
    rooms = re.findall(r"^  ([\w.]+/?) ", tree, re.MULTILINE)
    source = REPOSITORY / "src" / "heedful"
    there = {f"{p.name}/" if p.is_dir() else p.name for p in source.iterdir() if p.name[0].isalpha() and p.name != "py.typed"}
    assert set(rooms) == there


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s[0])
def test_every_sample_imports(tmp_path: Path, sample: tuple[str, str, str]) -> None:
    name, count, text = sample
    path = tmp_path / "sample"
    path.write_text(text, encoding="utf-8")
    ((form, rows),) = ((source.format, list(read(source))) for source in find(path, Hints(), Passed()))
    assert form == name
    assert not [row for row in rows if isinstance(row, BadRow)]
    assert len(rows) == int(count)


def test_there_is_a_sample_of_every_format() -> None:
    assert {name for name, _, _ in SAMPLES} == set(FORMAT_NAMES)
    for name in FORMAT_NAMES:
        assert f"| {name} |" in README


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
def test_every_configuration_of_the_readme_loads(tmp_path: Path, block: str) -> None:
    path = tmp_path / "heedful.yaml"
    path.write_text(block, encoding="utf-8")
    assert yaml.safe_load(block)
    load_settings(path)


def test_the_readme_shows_real_output() -> None:
    shown = README.split("What `make demo` prints")[1].split("```text\n")[1].split("```")[0]
    for stage in ("conversations", "dataset ds-", "training plan", "model m-", "gate: passed", "champion: m-", "serving http://"):
        assert stage in shown, stage
