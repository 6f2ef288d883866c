"""What the routes answer, as the OpenAPI document states it."""

from pydantic import BaseModel

Place = tuple[float, float]  # in the map of the images


class Embedding(BaseModel):
    """The features of an image."""

    embedding: list[float]
    version: str


class Neighbour(BaseModel):
    """An image of the index that resembles the one that was asked for."""

    id: str
    split: str
    label: str | None
    similarity: float  # cosine
    place: Place


class Neighbours(BaseModel):
    """The images that resemble it most, and where it lies in the map."""

    place: Place
    neighbours: list[Neighbour]


class ClassProbability(BaseModel):
    """A class and how likely it is."""

    name: str
    probability: float


class Classes(BaseModel):
    """All classes, the likeliest first, and what speaks for it: the nearest images that have a label."""

    classes: list[ClassProbability]
    nearest: list[Neighbour]


class Point(BaseModel):
    """An image in the map."""

    id: str
    place: Place
    label: str | None


class Map(BaseModel):
    """The images in the map; of many, as many as params.yaml says, spread over all."""

    points: list[Point]


class Health(BaseModel):
    """Says that the service answers, and with what."""

    status: str
    version: str
    classifier: bool
    index: bool


class Version(BaseModel):
    """Says what is served, traceable to its data."""

    version: str
    weights: str  # SHA-256 of the encoder's weights
    method: str | None
    data: str | None  # MD5 of the store, as dvc.lock has it
    trained_on: str | None  # the digest of the images that the encoder was trained on, as its config.json has it
    images: int
    features: int
    loaded: str  # when, in ISO 8601
    lacks: dict[str, str]  # what is not there, and which stage writes it
