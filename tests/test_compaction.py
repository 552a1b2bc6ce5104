"""Compaction: the nearest adapter of fewer ranks, by the singular values of the whole update, and the error as it is stated."""

import pytest
import torch

from heedful.errors import ModelError
from heedful.modeling.compaction import compact, smallest_rank, spectra
from heedful.modeling.stack import Adapter, Factors, compose


def random_adapter(rank: int, seed: int, sizes: dict[str, tuple[int, int]]) -> Adapter:
    generator = torch.Generator().manual_seed(seed)
    modules = {
        name: Factors(torch.randn(rank, inputs, generator=generator), torch.randn(outputs, rank, generator=generator))
        for name, (inputs, outputs) in sizes.items()
    }
    return Adapter(rank, tuple(sorted(sizes)), False, modules)


WIDE = {"q": (20, 16), "v": (20, 4)}


def update(adapter: Adapter, name: str) -> torch.Tensor:
    return adapter.modules[name].b.double() @ adapter.modules[name].a.double()


def test_the_error_is_the_norm_of_what_was_left_out() -> None:
    deep = compose(random_adapter(4, 1, WIDE), random_adapter(3, 2, WIDE))
    found = spectra(deep)
    small = compact(deep, found, 2)
    assert small.adapter.rank == 2 and small.adapter.modules["q"].a.shape == (2, 20)
    lost = {name: float((update(deep, name) - update(small.adapter, name)).norm()) for name in WIDE}
    whole = {name: float(update(deep, name).norm()) for name in WIDE}
    assert small.error == pytest.approx((sum(v**2 for v in lost.values()) / sum(v**2 for v in whole.values())) ** 0.5, rel=1e-5)
    assert small.worst == pytest.approx(max(lost[name] / whole[name] for name in WIDE), rel=1e-5)
    best = torch.linalg.svdvals(update(deep, "q"))[2:].norm()
    assert lost["q"] == pytest.approx(float(best), rel=1e-5), "no adapter of two ranks is nearer"


def test_ranks_that_carry_nothing_cost_nothing() -> None:
    """A generation that repeats what lies below adds ranks to the stack, but none to the update."""
    first = random_adapter(3, 1, {"q": (20, 16)})
    deep = compose(compose(first, first), first)
    found = spectra(deep)
    assert smallest_rank(found, deep.rank, 0.01) == 3
    small = compact(deep, found, 3)
    assert small.error < 1e-6
    assert torch.allclose(update(small.adapter, "q"), 3 * update(first, "q"), rtol=1e-5, atol=1e-4)


def test_a_narrow_module_is_filled_with_zeros() -> None:
    deep = compose(random_adapter(4, 1, WIDE), random_adapter(4, 2, WIDE))
    small = compact(deep, spectra(deep), 6)
    assert small.adapter.modules["v"].b.shape == (4, 6) and small.adapter.modules["v"].a.shape == (6, 20)
    assert torch.allclose(update(small.adapter, "v"), update(deep, "v"), rtol=1e-5, atol=1e-4), "it has four ranks at most"
    with pytest.raises(ModelError, match="rank 9 is not within the 8 of this adapter"):
        compact(deep, spectra(deep), 9)


def test_an_adapter_that_learned_nothing_compacts_to_nothing() -> None:
    silent = Adapter(4, ("q",), False, {"q": Factors(torch.randn(4, 20), torch.zeros(16, 4))})
    small = compact(silent, spectra(silent), smallest_rank(spectra(silent), 4, 0.01))
    assert (small.adapter.rank, small.error, small.worst) == (1, 0.0, 0.0)
