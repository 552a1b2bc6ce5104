"""Outlook: the plan's estimates, corrected by the first steps; and memory that will not do, known before it runs out."""

from pathlib import Path

import pytest

from heedful.errors import OutOfMemory
from heedful.training.container import container_room
from heedful.training.outlook import Foretold, Outlook, check_room, foresee
from heedful.training.passes import group
from heedful.training.resources import peak_memory


def outlook(foretold: Foretold, steps: int = 10) -> Outlook:
    return Outlook([100] * steps, evaluate_every=4, foretold=foretold)


def test_the_plan_speaks_until_steps_were_measured() -> None:
    one = outlook(Foretold(seconds=50.0))
    assert (one.left(0), outlook(Foretold()).left(0)) == (50.0, None)
    one.looked(0.5)
    one.stepped(1, 30.0)  # with compiling
    assert one.left(1) == 45.0
    one.stepped(2, 2.0)
    one.looked(1.5)
    assert one.left(2) == 8 * 2.0 + 3 * 1.0, "eight steps, and looks at 4, 8 and 10"
    one.stepped(3, 4.0)
    assert one.left(4) == 6 * 3.0 + 2 * 1.0
    assert one.left(10) == 0.0


def test_a_wrong_estimate_of_time_is_told() -> None:
    one = outlook(Foretold(seconds=50.0, memory_gb=1_000.0))
    facts, note = one.correction(80.0, 40.0)
    assert (facts["seconds"], facts["planned_seconds"], facts["planned_memory_gb"]) == (120.0, 50.0, 1_000.0)
    assert note == "the first steps foretell 120 s in all, the plan said 50 s"
    assert one.correction(20.0, 40.0)[1] == ""
    assert one.correction(5.0, 10.0)[1].startswith("the first steps foretell 15 s")
    assert one.correction(5.0, None)[1] == ""
    assert "GB, the plan said 0.001 GB" in outlook(Foretold(memory_gb=0.001)).correction(1.0, 1.0)[1]


def test_the_largest_pass_is_foreseen_from_one_of_half_its_size() -> None:
    assert foresee(before=1_000, peak=1_600, fixed=100, seen=500, largest=1_000) == 2_100
    assert foresee(before=1_000, peak=1_600, fixed=100, seen=1_000, largest=1_000) == 1_600
    assert foresee(before=1_000, peak=1_050, fixed=100, seen=500, largest=1_000) == 1_050


def test_memory_that_will_not_do_is_known_before_it_runs_out() -> None:
    check_room(2_000_000_000, 2_000_000_000, 4_096)
    said = "by the first steps, a pass of 4096 tokens will take 2.5 GB, and 2 GB are there"
    with pytest.raises(OutOfMemory, match=said):
        check_room(2_500_000_000, 2_000_000_000, 4_096)


def test_memory_is_looked_at_once_a_pass_is_large_enough() -> None:
    """What this very process takes."""
    one = outlook(Foretold(passes=[400, 500, 1_000]), steps=3)
    one.begin()
    one.stepped(1, 1.0)
    assert one.foreseen is None
    one.stepped(2, 1.0)
    assert one.foreseen is not None
    assert one.foreseen >= peak_memory("cpu") > 0
    assert one.correction(1.0, 1.0)[0]["memory_gb"] == pytest.approx(one.foreseen / 1e9, rel=0.01)


def test_rows_are_grouped_whole() -> None:
    assert list(group([5, 5, 3, 9, 1], 10)) == [[0, 1], [2], [3, 4]]
    assert list(group([30, 2, 2], 10)) == [[0], [1, 2]]


V1_FILES = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2_FILES = ("memory.max", "memory.current", "inactive_file")


def group_files(folder: Path, limit: str, held: int, unread: int, names: tuple[str, str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{held}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {unread}\n")


def test_memory_of_a_container_is_what_its_group_may_still_take(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    assert container_room(own, tmp_path) is None
    own.write_text("0::/a/b\n")
    assert container_room(own, tmp_path) is None
    group_files(tmp_path / "a" / "b", "max", 300, 100, V2_FILES)
    assert container_room(own, tmp_path) is None, "no limit"
    group_files(tmp_path / "a", "1000", 300, 100, V2_FILES)
    assert container_room(own, tmp_path) == 800, "of the group around it"
    own.write_text("1:cpu:/\n4:memory:/docker/1f0c\n0::/\n")
    group_files(tmp_path / "memory", "900", 950, 20, V1_FILES)
    assert container_room(own, tmp_path) == 0, "the container's own group, seen as the top"
    group_files(tmp_path / "memory" / "docker" / "1f0c", "500", 100, 0, V1_FILES)
    group_files(tmp_path / "memory", "9000", 950, 20, V1_FILES)
    assert container_room(own, tmp_path) == 400
