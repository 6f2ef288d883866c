"""POST /search and GET /search: the images that resemble an image most."""

from fastapi import APIRouter, Request

from serving.answers import Neighbours
from serving.bodies import read_image
from serving.refusal import UPLOAD, describe_refusals
from serving.routes.given import IMAGE, GivenK, GivenServed, GivenService, Id
from serving.service import to_place

router = APIRouter()


@router.post("/search", responses=describe_refusals(*UPLOAD), openapi_extra=IMAGE)
async def search(request: Request, service: GivenService, served: GivenServed, k: GivenK) -> Neighbours:
    """Find the images of the store that resemble a picture most."""
    body = await read_image(request, service.params.limits)
    served.require_index()
    place, found = await service.search(served, await service.embed_upload(served, body), k)
    return Neighbours(place=to_place(place), neighbours=found)


@router.get("/search", responses=describe_refusals(404, 422))
async def search_known(service: GivenService, served: GivenServed, id: Id, k: GivenK) -> Neighbours:
    """Find the images of the store that resemble one of them most, itself left out."""
    served.require_index()
    place, found = await service.search(served, await service.embed_known(served, id), k, without=id)
    return Neighbours(place=to_place(place), neighbours=found)
