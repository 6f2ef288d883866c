"""GET /labels/next, PUT and DELETE /labels/{id}: labels that people give, acknowledged once they are on the disk."""

import asyncio
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, StringConstraints, ValidationError

from components.stage.types import describe_mistake
from serving.bodies import read_body
from serving.labelling.labelling import Labelling
from serving.refusal import Refusal, describe_refusals
from serving.routes.given import GivenServed, GivenService, PathId

router = APIRouter()
MOST = 1000  # images in an answer
RECENT = 12  # labels, to be taken back
Line = StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")


class GivenLabel(BaseModel):
    """The label of an image, and who gives it."""

    label: Annotated[str, Line]
    who: Annotated[str, Line]


class Acknowledged(BaseModel):
    """Says that a label is kept or taken back, and how many are given now."""

    id: str
    label: str | None
    given: int


class ToLabel(BaseModel):
    """An image to label, and the label that it has, if it has one."""

    id: str
    label: str | None


class ExpectedAccuracy(BaseModel):
    """The accuracy of a logistic regression after so many given labels, with its 95 % interval."""

    labels: int
    accuracy: float
    low: float
    high: float


class NextToLabel(BaseModel):
    """The next images to label, and how far it is."""

    images: list[ToLabel]
    note: str  # why these
    classes: list[str]
    given: int
    recent: list[ToLabel]  # labelled last, the newest last
    batch: int  # labels after which the accuracy is computed anew
    expected: list[ExpectedAccuracy]
    computing: bool  # a further accuracy is on its way
    judged_on: str


def get_labelling(request: Request) -> Labelling:
    """Return what keeps the labels. Raises Refusal if none can be given here."""
    if request.app.state.labelling is None:
        raise Refusal(503, "no labels can be given here")
    return cast(Labelling, request.app.state.labelling)


GivenLabelling = Annotated[Labelling, Depends(get_labelling)]
Who = Annotated[str, Query(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="takes it back")]
Count = Annotated[int, Query(ge=0, le=MOST, description="how many")]
BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": GivenLabel.model_json_schema()}}}
}


@router.get("/labels/next", responses=describe_refusals(422))
def list_next(labelling: GivenLabelling, served: GivenServed, count: Count = 20) -> NextToLabel:
    """List the images to label next, and the accuracy expected after each batch of labels."""
    pool = labelling.open_pool(served)
    chosen, progress = labelling.choose(pool, count), labelling.follow(pool)
    return NextToLabel(
        images=[ToLabel(id=str(pool.ids[row]), label=pool.name_class(row)) for row in chosen.rows],
        note=chosen.note,
        classes=list(dict.fromkeys([*pool.classes, *labelling.read().values()])),
        given=progress.given,
        recent=[ToLabel(id=str(pool.ids[row]), label=label) for row, label in labelling.list_recent(pool, RECENT)],
        batch=labelling.expected.batch,
        expected=[ExpectedAccuracy(**vars(one)) for one in progress.expected],
        computing=progress.computing,
        judged_on=progress.judged_on,
    )


@router.put("/labels/{id:path}", responses=describe_refusals(404, 413, 422), openapi_extra=BODY)
async def give_label(
    request: Request, labelling: GivenLabelling, service: GivenService, served: GivenServed, id: PathId
) -> Acknowledged:
    """Give an image a label."""
    body = await read_body(request, service.params.limits)
    try:
        given = GivenLabel.model_validate_json(body)
    except ValidationError as error:
        raise Refusal(422, describe_mistake(error)) from None
    count = await asyncio.to_thread(labelling.give, served, id, given.label, given.who)
    return Acknowledged(id=id, label=given.label, given=count)


@router.delete("/labels/{id:path}", responses=describe_refusals(422))
def take_label_back(labelling: GivenLabelling, id: PathId, who: Who = "") -> Acknowledged:
    """Take back the label that an image was given, if it was given any."""
    return Acknowledged(id=id, label=None, given=labelling.take_back(id, who))
