"""GET /images/{id}: a thumbnail of an image of the store. The id is looked up; it is no path."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from serving.refusal import Refusal, describe_refusals
from serving.routes.given import GivenServed, GivenService, PathId

router = APIRouter()
PNG: dict[int | str, Any] = {200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}}
Side = Annotated[int, Query(ge=8, description="pixels per side, at most")]


@router.get("/images/{id:path}", response_class=Response, responses={**PNG, **describe_refusals(404, 413, 415, 422)})
async def show_image(service: GivenService, served: GivenServed, id: PathId, side: Side = 96) -> Response:
    """Draw an image of the store as a PNG that fits into a square."""
    if side > service.params.limits.thumbnail_side:
        raise Refusal(422, f"side: at most {service.params.limits.thumbnail_side}")
    drawn = await service.draw_thumbnail(served, id, side)
    return Response(drawn, media_type="image/png", headers={"Cache-Control": "private, max-age=60"})
