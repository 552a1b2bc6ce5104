"""Keystrokes: a terminal or a pipe in; one key at a time out, without Enter. At the end of a pipe the key is `QUIT`."""

import os
import sys
from collections.abc import Collection

QUIT = "q"
INTERRUPT = "\x03"


def read_key(allowed: Collection[str]) -> str:
    """The next key that is allowed, in small letters; others are passed over. Raises KeyboardInterrupt on Ctrl-C."""
    while True:
        key = next_key()
        if key == "":
            return QUIT
        if key == INTERRUPT:
            raise KeyboardInterrupt
        if key.lower() in allowed:
            return key.lower()


def next_key() -> str:
    """Empty at the end of the input."""
    if not sys.stdin.isatty() or os.name != "posix":
        return sys.stdin.read(1)
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)  # the default would throw away what was typed ahead
        return os.read(terminal, 1).decode(errors="replace")
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
