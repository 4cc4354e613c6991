# SPDX-License-Identifier: Apache-2.0
"""The add-on's stream of slider positions, against a real server, without Blender."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("grpclib")

from blender_addon.addresses import split_address
from blender_addon.exploration import Exploration
from blender_addon.transport import Server, Transport
from texgen.errors import TexgenError
from texgen.pb import texgen_pb2 as pb


@pytest.fixture
def exploration(server):
    transport = Transport()
    running = Exploration(transport, Server(*split_address(server), "secret"))
    yield running
    running.close()
    transport.close()


def position(seed, name="brick"):
    return pb.GenerateMaterialRequest(
        classes=[pb.ClassWeight(name=name, weight=1.0)],
        seed=seed,
        size=pb.Size(width_px=64, height_px=64),
        encoding=pb.ENCODING_RAW,
    )


def wait_for(exploration, condition):
    until = time.monotonic() + 60.0
    while True:
        answer = exploration.latest_answer()
        if answer is not None and condition(answer):
            return answer
        assert exploration.ended is None
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_last_position_is_answered(exploration):
    for seed in range(1, 9):
        exploration.move(position(seed))
    assert wait_for(exploration, lambda answer: answer.seed == 8).maps


def test_a_bad_position_is_an_answer_and_the_stream_goes_on(exploration):
    exploration.move(position(1, "no such class"))
    error = wait_for(exploration, lambda answer: isinstance(answer, TexgenError))
    assert "no such class" in str(error)
    exploration.move(position(2))
    assert wait_for(exploration, lambda answer: not isinstance(answer, TexgenError)).seed == 2


def test_closing_ends_it_without_a_message(exploration):
    exploration.close()
    until = time.monotonic() + 10.0
    while (message := exploration.ended) is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert message == ""
