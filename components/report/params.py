"""The section `report` of params.yaml: what the page shows."""

from typing import Annotated

from pydantic import Field

from components.stage.types import Params, Seed

Pictures = Annotated[int, Field(ge=1, le=50)]


class Report(Params):
    """The sizes of the map and the picture galleries; their ceilings keep the page small enough to send to someone."""

    seed: Seed
    queries: Pictures  # test images whose neighbours are shown
    neighbours: Pictures
    map_images: Annotated[int, Field(ge=1, le=5000)]  # at most, test images in the map of the embedding
    confusions: Pictures  # commonest mistakes that are shown with pictures
    suspects: Pictures  # of each kind, with pictures


SECTIONS = {"report": Report}
