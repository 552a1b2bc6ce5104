"""Attention in C++ gives what the tiles give, for any number of threads; where it cannot be had, the reason is said."""

from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
import torch

from heedful.training.packed.attention import attend, make_field
from heedful.training.packed.kernels import Kernels, plain
from heedful.training.packed.native import NativeAttention, load_attention
from heedful.training.packed.support import Reason

LENGTHS = (39, 1, 300, 129)
Shape = tuple[int, int, int]  # key-value heads, query heads to each, head dimension


@pytest.fixture(scope="module")
def native() -> NativeAttention:
    found = load_attention()
    if isinstance(found, Reason):
        pytest.skip(f"no attention in C++ here: {found}")
    return found


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def with_native(native: NativeAttention) -> Kernels:
    from dataclasses import replace

    return replace(plain(), attention=native)


def run(kernels: Kernels, dtype: torch.dtype, shape: Shape, prefix: int, window: int | None) -> list[torch.Tensor]:
    """Output and gradients of queries, keys and values; the same numbers whatever the dtype."""
    heads, group, size = shape
    edges = list(accumulate(LENGTHS, initial=prefix))
    segments = ((0, prefix), *pairwise(edges))[0 if prefix else 1 :]
    generator = torch.Generator().manual_seed(0)
    drawn = [
        torch.randn(heads, edges[-1], *inner, generator=generator).bfloat16().to(dtype).requires_grad_()
        for inner in ((group, size), (size,), (size,))
    ]
    output = attend(*drawn, make_field(segments, prefix, window, torch.device("cpu")), kernels)
    output.backward(torch.randn(output.shape, generator=generator).bfloat16().to(dtype))
    return [output.detach(), *(tensor.grad for tensor in drawn if tensor.grad is not None)]


@pytest.mark.parametrize("window", [None, 7, 150])
@pytest.mark.parametrize(("shape", "prefix"), [((2, 3, 64), 0), ((2, 3, 64), 11), ((1, 1, 128), 130)])
def test_it_gives_what_the_tiles_give(native: NativeAttention, shape: Shape, prefix: int, window: int | None) -> None:
    """Within the rounding of bfloat16, and nearer to float32 than tiles in bfloat16, which round scores too."""
    exact = run(plain(), torch.float32, shape, prefix, window)
    for found, tiled, expected in zip(
        run(with_native(native), torch.bfloat16, shape, prefix, window),
        run(plain(), torch.bfloat16, shape, prefix, window),
        exact,
        strict=True,
    ):
        off, tiles_off = (float((one.float() - expected).norm() / expected.norm()) for one in (found, tiled))
        assert off < 4e-3 and off < tiles_off


@pytest.mark.usefixtures("threads")
def test_threads_do_not_change_a_bit(native: NativeAttention) -> None:
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(run(with_native(native), torch.bfloat16, (2, 3, 64), 11, None))
    assert all(torch.equal(one, other) for others in found[1:] for one, other in zip(found[0], others, strict=True))


def test_what_it_does_not_take_goes_by_tiles(native: NativeAttention) -> None:
    def takes(size: int, dtype: torch.dtype) -> bool:
        return native.takes(torch.empty(2, 5, 1, size, dtype=dtype))

    assert takes(64, torch.bfloat16) and takes(128, torch.bfloat16)
    assert not takes(64, torch.float32) and not takes(80, torch.bfloat16) and not takes(320, torch.bfloat16)


def test_a_compiler_that_fails_is_a_reason(native: NativeAttention, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such standard >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for compiler, reason in (
        (str(broken), f"{broken} failed: no such standard"),
        ("none-such", "there is no C++ compiler (none-such)"),
    ):
        monkeypatch.setenv("CXX", compiler)
        assert str(load_attention.__wrapped__()) == reason
    assert list((tmp_path / "heedful" / "native").iterdir()) == []
