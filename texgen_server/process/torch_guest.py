# SPDX-License-Identifier: Apache-2.0
"""Use of torch in a process that may be another program's: side effects of making a network are
undone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
"""Variable that torch sets when its compiler is imported, as the first optimiser does.

Nothing here compiles.
"""


@contextmanager
def as_guest() -> Iterator[None]:
    """Make networks without side effects: modules draw their first weights from the program's
    random generator, and imports set a variable; both are restored.
    """
    was_set = VARIABLE in os.environ
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        if not was_set:
            os.environ.pop(VARIABLE, None)
