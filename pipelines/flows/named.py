"""Finds the Prefect server that the user has named, and says in a line why none can be used."""

import os

import httpx

from pipelines.errors import OTHER_ERROR, USER_ERROR, StageError
from pipelines.flows import environment


def find_server(status: int = OTHER_ERROR, advice: str = "") -> str | None:
    """Return the address of the server that the user has named, or None.

    Raises StageError with `status` if no server answers there; `advice` is what else would help.
    """
    if (url := environment.read_api_url()) is None:
        return None
    check_proxies(advice)
    if reason := _find_fault(url):
        way = f"start it, or unset {environment.URL}{advice and f', {advice}'}"
        origin = environment.describe_origin()
        raise StageError(f"{origin}: no server of Prefect's answers at {url}: {reason}; {way}", status)
    return url


def _find_fault(url: str) -> str | None:
    """Return why the address is not that of a server that works, or None."""
    try:
        answer = httpx.get(f"{url}/health", timeout=30)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return " ".join(str(error).split()) or type(error).__name__
    if answer.status_code >= 500:  # a proxy says so of a server that is down
        return f"{answer.status_code} {answer.reason_phrase}"
    if "html" in answer.headers.get("content-type", ""):
        return "a page for people answers; the address of the API ends in /api"
    return None  # a server with a password refuses this call, and that will do


def check_proxies(advice: str = "") -> None:
    """Check that Prefect's client takes the proxies of the environment. Raises StageError."""
    try:
        httpx.Client().close()
    except (ImportError, ValueError, httpx.InvalidURL) as error:  # ImportError: a SOCKS proxy needs another package
        names = [name for name in sorted(os.environ) if name.lower().endswith("_proxy")]
        reason = " ".join(str(error).split())
        hint = f"; correct or unset it{advice and f', {advice}'}"
        raise StageError(f"{', '.join(names)}: of no use to Prefect's client: {reason}{hint}", USER_ERROR) from None
