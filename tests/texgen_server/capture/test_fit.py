# SPDX-License-Identifier: Apache-2.0
"""A capture by itself, without a server: its steps do what they are for, and how long they take.

Needs the extra ``capture``.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from texgen.modelcard import find_card
from texgen_server.capture import fit as capture_module
from texgen_server.capture.networks import CaptureNetworks
from texgen_server.capture.options import DEFAULT_STEPS, CaptureOptions
from texgen_server.capture.search import capture
from texgen_server.registry import load_material

pytestmark = [pytest.mark.held, pytest.mark.usefixtures("nothing_emulated")]
PHOTO_PX = 512
CORES, LIMIT_S = 2, 60.0
"""The promise: a photograph with the default number of steps, on so many cores with AVX2 only."""


def photo():
    """(512, 512, 3) in 0..1: reddish and rough."""
    random = np.random.default_rng(3)
    coarse = np.kron(random.random((32, 32, 1)), np.ones((16, 16, 1)))
    return (
        (
            np.array([0.7, 0.4, 0.3]) * (0.6 + 0.4 * coarse)
            + 0.05 * random.random((PHOTO_PX, PHOTO_PX, 3))
        )
        .astype(np.float32)
        .clip(0, 1)
    )


def losses_of(networks, steps, monkeypatch):
    """The loss of every step of a capture."""
    seen, distance = [], capture_module._distance

    def recorded(*arguments):
        loss = distance(*arguments)
        seen.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(capture_module, "_distance", recorded)
    capture(
        networks, photo(), CaptureOptions(5, (64, 64), steps=steps), lambda: None, lambda _: None
    )
    return seen


def test_steps_bring_a_capture_nearer_to_its_photo(card, monkeypatch):
    losses = losses_of(CaptureNetworks(load_material(card)), 4, monkeypatch)
    assert len(losses) == 4
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_a_capture_takes_at_most_a_minute_on_two_cores(monkeypatch):
    """Measured in processor time of one thread, so that a busy machine changes little."""
    networks, steps, threads = (
        CaptureNetworks(load_material(find_card("material"))),
        8,
        torch.get_num_threads(),
    )
    torch.set_num_threads(1)
    try:
        losses_of(networks, 1, monkeypatch)
        started = time.process_time()
        losses = losses_of(networks, steps, monkeypatch)
        spent_s = time.process_time() - started
    finally:
        torch.set_num_threads(threads)
    assert losses[-1] < losses[0]
    assert spent_s / steps * DEFAULT_STEPS / CORES <= LIMIT_S
