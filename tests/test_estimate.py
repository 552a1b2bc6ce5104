"""Memory and time of a plan: the formula beside a real training, plans that do not fit, and what is said then."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from heedful.config import TrainingSettings
from heedful.errors import TrainingError
from heedful.modeling.shape import Shape, measure_shape
from heedful.training.estimate import Work, memory, operations, seconds
from heedful.training.fitting import FILL, check_disk, fit
from heedful.training.plan import Choice, assemble, complete, make_plan
from heedful.training.profile import Profile
from heedful.training.resources import Speed, memory_there, peak_memory, speed
from heedful.training.rules import Machine
from heedful.training.train import train

LARGE = Shape(
    parameters=3_000_000_000,
    hidden=3_072,
    layers=28,
    heads=24,
    vocabulary=128_256,
    linear={f"layers.{n}.{name}": (3_072, 8_192) for n in range(28) for name in ("up_proj", "q_proj")},
    targets=("q_proj", "up_proj"),
    keeps_scores=False,
)
WORK = Work(
    rows=8,
    length=2_048,
    rank=16,
    targets=LARGE.targets,
    number_bytes=2,
    four_bits=False,
    dropout=True,
    checkpointing=False,
    supervised=0.3,
    all_logits=False,
    on_gpu=False,
    score_tokens=1_024,
)


def dataset(folder: Path, rows: int = 8) -> Path:
    for split, count in {"train": rows, "validation": 2}.items():
        chats = [
            [{"role": "user", "content": f"I feel low, {n}."}, {"role": "assistant", "content": "Why is that?"}]
            for n in range(count)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    return folder


def test_shape_is_counted_not_read() -> None:
    shape = measure_shape("tiny")
    assert (shape.parameters, shape.hidden, shape.layers, shape.vocabulary) == (11_299_520, 320, 7, 8_192)
    assert len(shape.linear) == 7 * 7
    assert shape.linear["model.layers.0.mlp.up_proj"] == (320, 864)
    by_hand = 7 * 4 * (4 * (320 + 320) + 3 * (320 + 864))
    assert shape.adapter_parameters(4, shape.targets) == by_hand
    assert shape.adapter_parameters(4, ["q_proj"]) == 7 * 4 * (320 + 320)
    assert shape.unknown(["q_proj", "model.layers.0.mlp.up_proj", "lm_head", "mlp"]) == ["lm_head", "mlp"]


def test_memory_grows_as_it_must() -> None:
    all_of_it = memory(LARGE, WORK)
    assert all_of_it.base == 6e9
    assert all_of_it.adapter == 20 * 16 * 56 * (3_072 + 8_192)
    half = memory(LARGE, replace(WORK, rows=4))
    assert half.activations == pytest.approx(all_of_it.activations / 2)
    assert memory(LARGE, replace(WORK, checkpointing=True)).activations < all_of_it.activations / 10
    assert memory(LARGE, replace(WORK, all_logits=True)).logits > all_of_it.logits
    eager = memory(replace(LARGE, keeps_scores=True), WORK)
    assert eager.activations - all_of_it.activations == 28 * 2 * 4 * 24 * 8 * 2_048**2
    assert sum((all_of_it.base, all_of_it.adapter, all_of_it.activations, all_of_it.logits, all_of_it.libraries)) == all_of_it.total


def test_time_is_work_over_speed() -> None:
    slow, fast = Speed(1e10, 1e9), Speed(2e10, 2e9)
    calls = 28 * 0.0015 * 100_000 / WORK.tokens
    assert seconds(LARGE, WORK, slow, 1e5, 0) - calls == pytest.approx(2 * (seconds(LARGE, WORK, fast, 1e5, 0) - calls))
    assert operations(LARGE, replace(WORK, checkpointing=True), 1) > 1.3 * operations(LARGE, WORK, 1)
    assert speed("cpu", "float32", 64, 64, 64) == speed("cpu", "float32", 64, 64, 64), "measured once a process"


def test_fewer_rows_come_first_then_checkpointing() -> None:
    for rows in (8, 4, 2, 1):
        there = int(memory(LARGE, replace(WORK, rows=rows)).total / FILL) + 1
        found = fit(WORK, 8, LARGE, there, "cpu")
        assert (found.work.rows, found.work.checkpointing) == (rows, False)
        assert found.memory.total <= FILL * there
        assert bool(found.why) == (rows != 8)
    there = int(memory(LARGE, replace(WORK, rows=1, checkpointing=True)).total / FILL) + 1
    found = fit(WORK, 8, LARGE, there, "cpu")
    assert (found.work.rows, found.work.checkpointing) == (1, True)
    assert re.fullmatch(r"8 rows a pass would need [\d.]+ GB of [\d.]+ GB", found.why)


def test_copies_of_the_base_go_before_rows_do() -> None:
    linear, blocked = 28 * 2 * 3_072 * 8_192, replace(WORK, products="blocked")
    assert memory(LARGE, blocked).base - memory(LARGE, WORK).base == 2 * 2 * linear
    assert memory(LARGE, replace(WORK, products="int8")).base - memory(LARGE, WORK).base == 2 * linear
    roomy = int(memory(LARGE, blocked).total / FILL) + 1
    assert fit(blocked, 8, LARGE, roomy, "cpu").work == blocked
    tight = fit(blocked, 8, LARGE, roomy - 10**9, "cpu")
    assert tight.work == WORK
    assert re.fullmatch(r"8 rows a pass, laid out for this processor, would need [\d.]+ GB of [\d.]+ GB", tight.why)
    smallest = memory(LARGE, replace(WORK, rows=1, checkpointing=True)).total
    with pytest.raises(TrainingError, match=rf"this plan needs {smallest / 1e9:.3g} GB"):
        fit(blocked, 8, LARGE, int(smallest / 2), "cpu")


def test_rows_a_pass_stay_a_divisor_of_the_batch() -> None:
    work = replace(WORK, rows=6)
    there = int(memory(LARGE, replace(WORK, rows=5)).total / FILL) + 1
    assert fit(work, 6, LARGE, there, "cpu").work.rows == 3


def test_a_refusal_names_need_what_is_there_and_the_nearest_that_fits() -> None:
    there = int(memory(LARGE, replace(WORK, rows=1, length=500, checkpointing=True)).total / FILL)
    long = replace(WORK, length=8_192, score_tokens=64)
    with pytest.raises(
        TrainingError, match=r"this plan needs [\d.]+ GB of cpu memory even with one row of 8192 tokens a pass"
    ) as caught:
        fit(long, 8, LARGE, there, "cpu")
    assert f"{there / 1e9:.3g} GB are there, 90% of them for training" in caught.value.text
    assert "base 6 + adapter" in caught.value.text
    shorter = re.match(r"set training.max_length: (\d+) in heedful.yaml \([\d.]+ GB\)", caught.value.next_step)
    assert shorter is not None
    length = int(shorter[1])
    assert length % 64 == 0
    fit(replace(long, length=length), 8, LARGE, there, "cpu")
    with pytest.raises(TrainingError):
        fit(replace(long, length=length + 64), 8, LARGE, there, "cpu")


def test_when_no_length_fits_a_smaller_base_is_named() -> None:
    with pytest.raises(TrainingError) as caught:
        fit(WORK, 8, LARGE, 5 * 10**9, "cpu")
    found = re.search(r"at most about (\d+) million parameters", caught.value.next_step)
    assert found is not None
    assert 500 < int(found[1]) < 2_000


def test_four_bits_take_about_a_quarter_and_are_proposed_on_a_gpu() -> None:
    linear = 28 * 2 * 3_072 * 8_192
    four = replace(WORK, four_bits=True)
    saved = memory(LARGE, WORK).base - memory(LARGE, four).base
    assert saved == pytest.approx(linear * (2 - 0.516), rel=1e-3)
    small = replace(WORK, length=64, on_gpu=True)
    there = int(memory(LARGE, replace(small, rows=1, checkpointing=True)).total)
    with pytest.raises(TrainingError) as refusal:
        fit(small, 8, LARGE, there, "cuda")
    assert refusal.value.next_step.startswith("set training.quantization: nf4 in heedful.yaml (")


def test_too_little_disk_is_refused() -> None:
    adapter = 4 * 16 * 56 * (3_072 + 8_192)
    check_disk(14 * adapter + 100_000_000, LARGE, 16, 0, LARGE.targets)
    with pytest.raises(TrainingError, match=r"the training needs 0\.665 GB of disk, 0\.664 GB are free"):
        check_disk(664_000_000, LARGE, 16, 0, LARGE.targets)
    with pytest.raises(TrainingError, match=r"the training needs 0\.988 GB of disk"):
        check_disk(664_000_000, LARGE, 16, 16, LARGE.targets)


def test_a_plan_is_completed_with_rows_that_fit() -> None:
    shape, profile = measure_shape("tiny"), Profile(40, [40] * 40, 400, 1.0, (40,) * 4)
    draft = assemble(profile, Machine("cpu", shape.parameters, 1_024), TrainingSettings())
    assert draft.micro_batch.value == 8
    roomy = complete(draft, profile, shape, 10**12)
    assert roomy.micro_batch == draft.micro_batch
    assert roomy.memory_gb.value is not None
    tight = complete(draft, profile, shape, int(1e9 * roomy.memory_gb.value / FILL) - 10_000_000)
    assert tight.micro_batch.value < 8
    assert tight.batch_size == draft.batch_size
    assert "would need" in tight.micro_batch.why
    assert tight.pass_tokens.value == tight.micro_batch.value * 40


def test_a_packed_plan_gives_way_by_its_pass() -> None:
    shape, profile = measure_shape("tiny"), Profile(40, [700] * 40, 7_000, 1.0, (40,) * 4)
    draft = assemble(profile, Machine("cpu", shape.parameters, 1_024), TrainingSettings())
    draft = replace(draft, path=Choice("packed", ""))
    roomy = complete(draft, profile, shape, 10**12)
    assert (roomy.pass_tokens.value, roomy.micro_batch) == (2_048, draft.micro_batch)
    assert roomy.memory_gb.value is not None
    tight = complete(draft, profile, shape, int(1e9 * roomy.memory_gb.value / FILL) - 10_000_000)
    assert tight.pass_tokens.value == 700
    assert tight.pass_tokens.why.startswith("tokens a pass: 2 rows a pass would need")
    assert tight.micro_batch == draft.micro_batch, "the order of the rows stays"


def test_the_estimates_stand_beside_what_was_measured(tmp_path: Path) -> None:
    folder, output = dataset(tmp_path), tmp_path / "out"
    output.mkdir()
    plan = make_plan(folder, "tiny", "cpu", TrainingSettings(epochs=1, batch_size=4))
    assert plan.memory_gb.value is not None
    assert 0.5 < plan.memory_gb.value < 2
    assert "libraries" in plan.memory_gb.why
    assert plan.seconds.value is not None
    assert "GFLOP/s measured here" in plan.seconds.why
    train(folder, "tiny", plan, output)
    summary = json.loads((output / "metrics.jsonl").read_text().splitlines()[-1])
    assert summary["estimated_seconds"] == plan.seconds.value
    assert summary["estimated_memory_gb"] == plan.memory_gb.value
    assert 0.4 < summary["peak_memory_gb"] < memory_there("cpu") / 1e9
    assert summary["peak_memory_gb"] <= peak_memory("cpu") / 1e9 + 0.01
    assert plan.seconds.value / 20 < summary["seconds"] < plan.seconds.value * 20, (
        "the order of magnitude, on a machine that is shared"
    )
