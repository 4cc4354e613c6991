# SPDX-License-Identifier: Apache-2.0
"""Orders: the job of a request is complete when it is made."""

from __future__ import annotations

import time

import pytest

from texgen.errors import CancelledError, InvalidRequestError
from texgen.maps import Encoding, MapKind
from texgen.modelcard import find_card
from texgen.pb import texgen_pb2 as pb
from texgen_server.engine.jobs import BATCH, INTERACTIVE
from texgen_server.rpc.requests.material import generate_orders
from texgen_server.rpc.requests.order import Host, delivery_of, encoding_of


def host_of(models, **options):
    return Host(1 << 22, lambda: find_card("upscaler", models), **options)


def request_of(edge_px=64, **fields):
    bark = [pb.ClassWeight(name="bark", weight=1.0)]
    size = pb.Size(width_px=edge_px, height_px=edge_px)
    return pb.GenerateMaterialRequest(classes=bark, seed=3, size=size, **fields)


def test_deadline_priority_helpers_and_observer_are_there_from_the_start(card, models):
    host = host_of(models, deadline=time.monotonic() - 1.0)
    request = request_of(128, priority=pb.PRIORITY_BATCH, detail=pb.DETAIL_SR)
    (order,) = generate_orders(request, card, host)
    assert (order.job.priority, order.job.helpers) == (BATCH, ("upscaler",))
    with pytest.raises(CancelledError, match="deadline"):
        order.job.token.check()
    order.job.on_progress(0.25, "computing")
    assert order.observer.latest == (0.25, "computing")


def test_each_order_has_a_token_and_an_observer_of_its_own(card, models):
    host = host_of(models)
    one, two = (generate_orders(request_of(), card, host)[0] for _ in range(2))
    one.job.token.cancel()
    two.job.token.check()
    assert two.job.priority == INTERACTIVE
    assert one.observer is not two.observer


def test_a_position_of_a_slider_is_not_worth_keeping(card, models):
    plain = generate_orders(request_of(), card, host_of(models))[0]
    passing = generate_orders(request_of(), card, host_of(models), exploring=True)[0]
    assert (plain.cacheable, plain.job.exploring) == (True, False)
    assert (passing.cacheable, passing.job.exploring) == (False, True)


def test_maps_are_sent_in_the_models_order_and_unknown_ones_refused(card):
    wanted = request_of(maps=[pb.MAP_KIND_AO, pb.MAP_KIND_BASECOLOR], encoding=pb.ENCODING_RAW)
    delivery = delivery_of(wanted, card)
    assert delivery.maps == [MapKind.BASECOLOR, MapKind.AO]
    assert delivery.encoding is Encoding.RAW
    with pytest.raises(InvalidRequestError, match="does not make"):
        delivery_of(request_of(maps=[pb.MAP_KIND_ENVIRONMENT]), card)
    assert encoding_of(pb.ENCODING_UNSPECIFIED) is Encoding.PNG
    with pytest.raises(InvalidRequestError, match="raw, png, exr"):
        encoding_of(99)
