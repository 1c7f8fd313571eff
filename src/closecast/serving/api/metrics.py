"""What Prometheus reads: requests by route and status, their time, ages of what serves.

Metrics live in a registry of the server's own, so that two servers in one process do
not count into each other.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE

__all__ = ["CONTENT_TYPE", "Metrics"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The server's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "closecast_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "closecast_request_seconds",
            "Seconds from the request to the end of the answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.forecasts = Counter(
            "closecast_forecasts",
            "Forecasts that were given, by where they came from.",
            ("origin",),
            registry=self.registry,
        )
        self.version = Gauge(
            "closecast_model_version",
            "Version of the model that serves; 0 for none.",
            registry=self.registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: Its method.
            route: The route that it matched, not its address: those are endless.
            status: What was answered.
            seconds: How long it took.
        """
        known = method if method in {"GET", "POST", "HEAD", "DELETE"} else "other"
        self.requests.labels(known, route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Lay all out.

        Returns:
            Prometheus' text format.
        """
        return generate_latest(self.registry)
