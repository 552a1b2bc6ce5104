"""Silence around the model libraries: a `with` block in; no progress bar, no log line, no telemetry out.

Standard output belongs to our reports and standard error to our progress. Usage pings are switched off as well: nothing leaves the
machine unless the configuration says so (transformers and TRL would report architecture and GPU to the hub).
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

HARMLESS = (
    ".*gradient_checkpointing. is deprecated",  # PEFT 0.21 and TRL 1.16 use the old name of transformers 5.23
    ".*pin_memory.*no accelerator",  # a CPU is a normal place to train
)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Errors still come through, as exceptions. What was set before is put back at the end."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # Imported by PEFT wherever it is installed, and then it asks for kernels of a hub that nobody wants here.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    from huggingface_hub import constants
    from transformers.utils import logging as transformers_logging

    constants.HF_HUB_DISABLE_TELEMETRY = True  # the variable alone is read only when the hub package is first imported
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            for message in HARMLESS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
