"""What the routes take: the service, the version that a request begins with, ids and numbers within their limits."""

from typing import Annotated, Any, cast

from fastapi import Depends, Path, Query, Request

from serving.bodies import BINARY
from serving.refusal import Refusal
from serving.served import Served
from serving.service import Service

BYTES = {"schema": {"type": "string", "format": "binary"}}
IMAGE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "the bytes of one image",
        "content": dict.fromkeys((BINARY, "image/png", "image/jpeg"), BYTES),
    }
}


def get_service(request: Request) -> Service:
    """Return the service that answers."""
    return cast(Service, request.app.state.service)


GivenService = Annotated[Service, Depends(get_service)]


def get_served(service: GivenService) -> Served:
    """Return what is served as the request begins."""
    return service.served


GivenServed = Annotated[Served, Depends(get_served)]
Id = Annotated[str, Query(min_length=1, max_length=4096, description="the id of an image of the store")]
PathId = Annotated[str, Path(min_length=1, max_length=4096, description="the id of an image of the store")]
K = Annotated[int | None, Query(ge=1, description="how many; by default as params.yaml says")]


def choose_k(service: GivenService, k: K = None) -> int:
    """Return how many neighbours are asked for. Raises Refusal."""
    most = service.params.limits.neighbours
    if k is not None and k > most:
        raise Refusal(422, f"k: at most {most}")
    return k or service.params.neighbours


GivenK = Annotated[int, Depends(choose_k)]
