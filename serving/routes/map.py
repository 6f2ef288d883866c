"""GET /map: where the images lie in the map."""

import numpy as np
from fastapi import APIRouter

from serving.answers import Map, Point
from serving.refusal import describe_refusals
from serving.routes.given import GivenServed, GivenService
from serving.service import name_label, to_place

router = APIRouter()


@router.get("/map", responses=describe_refusals())
async def show_map(service: GivenService, served: GivenServed) -> Map:
    """Show the images in the map."""
    index = served.require_index()
    count = min(service.params.map_points, len(index.ids))
    rows = np.linspace(0, len(index.ids) - 1, count).astype(int).tolist()
    points = [
        Point(id=str(index.ids[row]), place=to_place(index.places[row]), label=name_label(index, row)) for row in rows
    ]
    return Map(points=points)
