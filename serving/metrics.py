"""What Prometheus may read of the service: requests, their seconds, batches, versions and what was refused."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counts what the service does. The names of routes are those of the OpenAPI document, and no more."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        of: Any = {"registry": self.registry, "namespace": "serving"}
        self.requests = Counter("requests", "Answered requests", ["method", "route", "status"], **of)
        self.seconds = Histogram("request_seconds", "Seconds of a request", ["route"], buckets=SECONDS, **of)
        self.at_once = Gauge("requests_at_once", "Requests that are being answered", **of)
        self.batches = Histogram("batch_images", "Images that went through the encoder together", buckets=IMAGES, **of)
        self.decoders_ended = Counter("decoders_ended", "Processes that an image has crashed or held too long", **of)
        self.version = Gauge("version_info", "What is served", ["version", "weights"], **of)
        self.swaps = Counter("swaps", "New versions that took the place of the one before", **of)
        self.refused = Counter("versions_refused", "New versions that failed their check and are not served", **of)

    def name_version(self, version: str, weights: str) -> None:
        """Name the version that is served now."""
        self.version.clear()
        self.version.labels(version, weights).set(1)

    def write(self) -> bytes:
        """Write all of it in Prometheus's text format."""
        return generate_latest(self.registry)
