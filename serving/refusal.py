"""The one way in which the service says no: a status of HTTP and one clear line."""

from typing import Any

from pydantic import BaseModel


class Problem(BaseModel):
    """Says what went wrong, in one line."""

    detail: str


class Refusal(Exception):  # noqa: N818
    """Says that a request is refused, with the status and the line that answer it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


MEANINGS = {
    400: "the request is no HTTP that is understood",
    401: "the token is missing or wrong",
    403: "the request comes from another site, or asks for another host",
    404: "there is no such image, or no such stage has run",
    408: "the request came too slowly",
    413: "the body or the image is too large",
    415: "the body is no image of a format that is read",
    422: "a parameter is wrong",
    429: "too many requests at once",
    431: "the head of the request is too large",
    503: "what answers it is not there, or busy",
}


def describe_refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe for the OpenAPI document which refusals a route answers, beside those of every route."""
    return {status: {"model": Problem, "description": MEANINGS[status]} for status in sorted({*ALWAYS, *statuses})}


ALWAYS = (400, 401, 403, 408, 429, 431, 503)
UPLOAD = (413, 415, 422)
