# SPDX-License-Identifier: Apache-2.0
"""Traces over OTLP."""

from __future__ import annotations

import itertools
from concurrent import futures

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self):
        self.spans = []

    def Export(self, request, context):  # noqa: N802 - the generated base class names it
        self.spans += [
            s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans
        ]
        return trace_service_pb2.ExportTraceServiceResponse()


def test_traces_go_on_from_the_callers(models):
    """A real OTLP receiver, and a client that is part of a trace."""
    collector, receiver = Collector(), grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, receiver)
    port = receiver.add_insecure_port("127.0.0.1:0")
    receiver.start()
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    config = ServerConfig(
        port=0,
        models=models,
        device="torch",
        grace_s=0.5,
        traces_endpoint=f"http://127.0.0.1:{port}",
    )
    with EmbeddedServer(config) as server, grpc.insecure_channel(server.address) as channel:
        request = pb.GenerateMaterialRequest(
            classes=[pb.ClassWeight(name="bark", weight=1.0)],
            size=pb.Size(width_px=32, height_px=32),
        )
        list(
            pb_grpc.TextureServiceStub(channel).GenerateMaterial(
                request, metadata=[("traceparent", f"00-{trace}-{parent}-01")]
            )
        )
    receiver.stop(1.0)
    spans = {span.name: span for span in collector.spans}
    call = spans["texgen.v1.TextureService/GenerateMaterial"]
    assert (call.trace_id.hex(), call.parent_span_id.hex()) == (trace, parent)
    stages = [spans[name] for name in ("queue", "compute", "encode")]
    assert all(stage.parent_span_id == call.span_id for stage in stages)
    assert all(
        a.end_time_unix_nano == b.start_time_unix_nano for a, b in itertools.pairwise(stages)
    )
    assert call.start_time_unix_nano <= stages[0].start_time_unix_nano + 5_000_000
