"""The section `serving` of params.yaml: what `python -m serving` takes and refuses; no result depends on it."""

from typing import Annotated

from pydantic import Field

from components.stage.types import Batch, Count, Params, Positive, Probability, Workers

Port = Annotated[int, Field(ge=0, lt=2**16)]  # 0: any that is free
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Side = Annotated[int, Field(ge=16, le=2048)]  # pixels


class Limits(Params):
    """Bounds what a request may ask for; more is refused with one line."""

    max_bytes: Count  # of a body
    max_pixels: Count  # of an image
    neighbours: Count  # in one answer
    thumbnail_side: Side
    requests: Count  # at once
    connections: Count  # at once
    header_seconds: Seconds  # for the head of a request to come
    body_seconds: Seconds  # for its body
    decode_seconds: Seconds  # for an image to be decoded


class Health(Params):
    """What a new version must show before it takes the place of the one that is served."""

    images: Count  # known images that are embedded and searched for
    found: Probability  # the share of them that the search must find
    similarity: Probability  # of a known image to its own entry in the index


class Serving(Params):
    """The settings of `python -m serving`."""

    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Port
    threads: Workers
    decoders: Workers
    batch: Batch
    poll_seconds: Seconds
    end_seconds: Positive
    neighbours: Count
    nearest: Count
    map_points: Count
    label_batch: Count
    limits: Limits
    health: Health
