"""The HTTP application: the routes, the refusals in one line, and a document that states both exactly.

FastAPI's own pages of documentation load scripts from elsewhere, so they are switched off; /openapi.json is there.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from serving.door import Door, join_lines, name_status, refuse
from serving.guard import Guard
from serving.labelling.labelling import Labelling
from serving.refusal import Refusal
from serving.routes import about, classify, embed, images, labels, map, page, search
from serving.service import Service

ROUTERS = tuple(module.router for module in (page, about, embed, search, classify, images, map, labels))
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(
    service: Service, guard: Guard, lifespan: Lifespan | None = None, labelling: Labelling | None = None
) -> FastAPI:
    """Make the application around a service; `lifespan` begins and ends with it. Without `labelling` no label can be
    given."""
    app = FastAPI(
        title="Search, classify and embed images",
        description="What an encoder that was trained on your images knows of them.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan or _do_nothing,
        redirect_slashes=False,
    )
    app.state.service, app.state.labelling = service, labelling
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(Refusal, _answer_refusal)
    app.add_exception_handler(RequestValidationError, _answer_mistake)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_middleware(Door, guard=guard, limits=service.params.limits, metrics=service.metrics)
    return app


@asynccontextmanager
async def _do_nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


async def _answer_refusal(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return refuse(error)


async def _answer_mistake(_: Request, error: Exception) -> JSONResponse:
    """Say in one line which parameter is wrong; its value, which may be anything, is not repeated."""
    assert isinstance(error, RequestValidationError)
    slips = [f"{'.'.join(str(part) for part in slip['loc'][1:])[:100]}: {slip['msg'][:200]}" for slip in error.errors()]
    return refuse(Refusal(422, join_lines(slips[:5])))


async def _answer_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": name_status(error.status_code)}, error.status_code, error.headers)
