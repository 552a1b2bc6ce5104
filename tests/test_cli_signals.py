"""A signal does what a verb says while the verb runs, and afterwards what it did before."""

import os
import signal

import pytest

from heedful.cli.signals import handled


def test_a_signal_is_handled_inside_the_block_only() -> None:
    before, met = signal.getsignal(signal.SIGUSR1), list[int]()
    with pytest.raises(ValueError, match="whatever"), handled(lambda number, _: met.append(number), signal.SIGUSR1):
        os.kill(os.getpid(), signal.SIGUSR1)
        raise ValueError("whatever")
    assert met == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) == before
