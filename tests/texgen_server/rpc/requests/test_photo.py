# SPDX-License-Identifier: Apache-2.0
"""Captures: a photograph -> an order."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen.pb import texgen_pb2 as pb
from texgen_server.capture.options import DEFAULT_STEPS
from texgen_server.engine.jobs import BATCH, CaptureJob
from texgen_server.rpc.requests import photo
from texgen_server.rpc.requests.order import Host


@pytest.fixture
def png():
    out = io.BytesIO()
    Image.fromarray(np.full((80, 64, 3), 128, np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def host(monkeypatch):
    monkeypatch.setattr(photo, "can_capture", lambda: True)
    return Host(1024 * 1024, lambda: pytest.fail("a capture takes no upscaler"))


def test_a_capture_is_a_job_of_its_own_kind(card, host, png):
    options = pb.CaptureOptions(
        seed=5, class_name="bark", palette=[0x000000, 0xFF8000], priority=pb.PRIORITY_BATCH
    )
    options.size.width_px, options.size.height_px = 64, 32
    order = photo.capture_order(options, png, card, host)
    job = order.job
    assert isinstance(job, CaptureJob)
    assert (job.seed, job.pixels, job.priority, job.helpers) == (5, 64 * 32, BATCH, ())
    assert job.photo.shape == (80, 64, 3)
    assert job.photo[0, 0, 0] == pytest.approx(128 / 255)
    assert (job.options.class_name, job.options.steps) == ("bark", DEFAULT_STEPS)
    assert job.options.palette[1] == pytest.approx((1.0, 128 / 255, 0.0))
    assert order.recipe_text == ""
    job.on_progress(0.5, "capturing")
    assert order.observer.latest == (0.5, "capturing")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"class_name": "chocolate"}, "unknown class"),
        ({"steps": 1000}, "allowed are 0 to 200"),
        ({"size": pb.Size(width_px=2048, height_px=1024)}, "more than this server makes"),
        ({"palette": [1]}, "2 to 16 colours"),
    ],
)
def test_what_is_wrong_is_told(card, host, png, fields, said):
    with pytest.raises(InvalidRequestError, match=said):
        photo.capture_order(pb.CaptureOptions(**fields), png, card, host)
