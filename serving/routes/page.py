"""GET / and /page/...: the page, whose files are a fixed table, so that nothing else of the disk can be asked for."""

import hashlib
from pathlib import Path

from fastapi import APIRouter, Request, Response

from serving.refusal import Refusal

PAGE = Path(__file__).parent.parent / "page"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

router = APIRouter()


def read_files() -> dict[str, tuple[bytes, dict[str, str]]]:
    """Read the files of the page: name -> content and headers."""
    files = {}
    for path in sorted(PAGE.iterdir()):
        if path.suffix in TYPES:
            content = path.read_bytes()
            files[path.name] = (
                content,
                {
                    "Content-Type": f"{TYPES[path.suffix]}; charset=utf-8",
                    "Cache-Control": "no-cache",  # the browser keeps it, and asks whether it is still the same
                    "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
                },
            )
    return files


FILES = read_files()


def answer(name: str, request: Request) -> Response:
    """Answer with a file, or with nothing but its tag if the browser has it. Raises Refusal."""
    if name not in FILES:
        raise Refusal(404, "no such file of the page")
    content, headers = FILES[name]
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers)


@router.get("/", include_in_schema=False)
async def show_page(request: Request) -> Response:
    """Show the page."""
    return answer("index.html", request)


@router.get("/page/{name}", include_in_schema=False)
async def send_file(name: str, request: Request) -> Response:
    """Send a file of the page."""
    return answer(name, request)
