"""GET /health, /version and /metrics: whether it answers, with what, and how much it has done."""

from typing import Any

from fastapi import APIRouter, Response

from serving.answers import Health, Version
from serving.metrics import CONTENT_TYPE
from serving.refusal import describe_refusals
from serving.routes.given import GivenServed, GivenService

router = APIRouter()
TEXT: dict[int | str, Any] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get("/health", responses=describe_refusals())
async def tell_health(served: GivenServed) -> Health:
    """Tell that the service answers."""
    present = {"classifier": served.classifier is not None, "index": served.index is not None}
    return Health(status="ok", version=served.version, **present)


@router.get("/version", responses=describe_refusals())
async def tell_version(served: GivenServed) -> Version:
    """Tell which encoder, of which data, is served."""
    provenance = served.config.provenance
    return Version(
        version=served.version,
        weights=served.weights,
        method=provenance.get("method"),
        data=served.data,
        trained_on=provenance.get("data"),
        images=len(served.pictures),
        features=served.config.features,
        loaded=served.loaded.isoformat(timespec="seconds"),
        lacks=served.lacks,
    )


@router.get("/metrics", response_class=Response, responses={**TEXT, **describe_refusals()})
async def show_metrics(service: GivenService) -> Response:
    """Show the metrics in Prometheus's text format."""
    return Response(service.metrics.write(), media_type=CONTENT_TYPE)
