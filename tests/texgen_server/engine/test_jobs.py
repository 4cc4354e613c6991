# SPDX-License-Identifier: Apache-2.0
"""Jobs, and the tokens that cancel them."""

from __future__ import annotations

import time
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from texgen.errors import (
    CancelledError,
)
from texgen.recipes.build import make_recipe
from texgen_server.capture.options import CaptureOptions
from texgen_server.engine.jobs import BATCH, INTERACTIVE, CancelToken, CaptureJob, MaterialJob
from texgen_server.material.canvas import Rectangle


def test_work_past_its_deadline_stops():
    CancelToken(time.monotonic() + 60.0).check()
    token = CancelToken(time.monotonic() - 0.001)
    with pytest.raises(CancelledError, match="deadline"):
        token.check()


def test_a_job_is_complete_when_it_is_made(card):
    job = MaterialJob(make_recipe(card, [("bark", 1.0)], 7, (64, 32)), priority=BATCH)
    assert (job.seed, job.pixels, job.large) == (7, 64 * 32, False)
    with pytest.raises(FrozenInstanceError):
        job.priority = INTERACTIVE
    assert job != replace(job)  # two jobs of the same content are two jobs


def test_a_part_of_a_field_weighs_what_it_is(card):
    recipe = make_recipe(card, [("bark", 1.0)], 7, (64, 64))
    assert MaterialJob(recipe, Rectangle(0, 0, 4096, 2048)).large
    assert MaterialJob(recipe, Rectangle(0, 0, 10, 20)).pixels == 200


def test_a_capture_has_no_recipe_yet_and_runs_beside_no_other_large_job():
    job = CaptureJob(np.zeros((64, 64, 3), np.float32), CaptureOptions(5, (64, 32)))
    assert (job.seed, job.pixels, job.large) == (5, 64 * 32, True)
    assert not hasattr(job, "recipe")
