# SPDX-License-Identifier: Apache-2.0
"""torch in a process that may be somebody else's: what making a network with it would leave behind
is taken away again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
"""torch sets it when its compiler is imported, as the first optimiser does.

Nothing here compiles.
"""


@contextmanager
def as_guest() -> Iterator[None]:
    """Make networks: modules draw their first weights from a generator that is the program's, and
    imports set a variable.
    """
    there = VARIABLE in os.environ
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        if not there:
            os.environ.pop(VARIABLE, None)
