"""POST /classify and GET /classify: of which class an image is, and what speaks for it."""

import numpy as np
from fastapi import APIRouter, Request

from serving.answers import Classes
from serving.bodies import read_image
from serving.refusal import UPLOAD, describe_refusals
from serving.routes.given import IMAGE, GivenServed, GivenService, Id
from serving.served import Served
from serving.service import Service

router = APIRouter()


@router.post("/classify", responses=describe_refusals(*UPLOAD), openapi_extra=IMAGE)
async def classify(request: Request, service: GivenService, served: GivenServed) -> Classes:
    """Classify a picture."""
    body = await read_image(request, service.params.limits)
    served.require_classifier()
    return await answer(service, served, await service.embed_upload(served, body))


@router.get("/classify", responses=describe_refusals(404, 422))
async def classify_known(service: GivenService, served: GivenServed, id: Id) -> Classes:
    """Classify an image of the store."""
    served.require_classifier()
    return await answer(service, served, await service.embed_known(served, id), id)


async def answer(service: Service, served: Served, features: np.ndarray, without: str | None = None) -> Classes:
    """Answer with the classes and the nearest labelled images, `without` itself left out: (D,) features."""
    classes = service.classify(served, features)
    nearest = await service.find_labelled(served, features, service.params.nearest, without)
    return Classes(classes=classes, nearest=nearest)
