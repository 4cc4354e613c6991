# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry traces (extra ``otel``): a span for each call, under the caller's own where it sent
a ``traceparent``, and below it the stages of each result.
"""

from __future__ import annotations

from texgen._version import __version__
from texgen.errors import LoadError
from texgen_server.observability.call_record import CallRecord, ResultRecord


class Tracer:
    """Traces each call: a `CallObserver` that sends spans over OTLP (gRPC) to ``endpoint``, such as
    ``http://127.0.0.1:4317``. Raises LoadError without the extra.
    """

    def __init__(self, endpoint: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise LoadError(
                "traces_endpoint is set, but OpenTelemetry is not installed: pip install "
                "'texgen[otel]'"
            ) from error
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "texgen", "service.version": __version__})
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint, insecure=endpoint.startswith("http://")))
        )
        self._tracer = self._provider.get_tracer("texgen.server", __version__)

    def ended(self, call: CallRecord) -> None:
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        service, _, method = call.method.strip("/").rpartition("/")
        about: dict[str, str] = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": method,
            "texgen.request_id": call.id,
        }
        about |= {"texgen.model": call.model} if call.model else {}
        above = TraceContextTextMapPropagator().extract(call.parent)
        span = self._tracer.start_span(
            call.method.strip("/"), above, SpanKind.SERVER, about, start_time=call.started_ns
        )
        for made in call.results:
            self._stages(made, set_span_in_context(span))
        if call.status != "OK":
            span.set_status(StatusCode.ERROR, call.status)
        span.end(call.ended_ns)

    def close(self) -> None:
        """Send the spans that were not sent yet."""
        self._provider.shutdown()

    def _stages(self, made: ResultRecord, above: object) -> None:
        """Make a span for each stage, from the end backwards: a result ends when it is encoded."""
        end = made.ended_ns
        for stage, seconds in (
            ("encode", made.encode_s),
            ("compute", made.compute_s),
            ("queue", made.queue_s),
        ):
            start = end - int(seconds * 1e9)
            span = self._tracer.start_span(
                stage,
                above,  # type: ignore[arg-type]
                start_time=start,
                attributes={"texgen.cache_hit": made.cache_hit},
            )
            span.end(end)
            end = start
