"""POST /embed: the features of an image."""

from fastapi import APIRouter, Request

from serving.answers import Embedding
from serving.bodies import read_image
from serving.refusal import UPLOAD, describe_refusals
from serving.routes.given import IMAGE, GivenServed, GivenService

router = APIRouter()


@router.post("/embed", responses=describe_refusals(*UPLOAD), openapi_extra=IMAGE)
async def embed(request: Request, service: GivenService, served: GivenServed) -> Embedding:
    """Embed an image."""
    features = await service.embed_upload(served, await read_image(request, service.params.limits))
    return Embedding(embedding=features.tolist(), version=served.version)
