"""The service behind a URL, as fsspec speaks to it: opened, asked, and asked again where it fails.

Credentials are the environment's, as each service documents it (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL,
GOOGLE_APPLICATION_CREDENTIALS ...), never params.yaml's. Listings are not kept, since another program may change them.
https://filesystem-spec.readthedocs.io
"""

import time
from json import JSONDecodeError
from typing import Any
from urllib.parse import urlsplit

import fsspec

from components.stage.errors import InputError, RunError

TRIES, PAUSE = 5, 0.5  # the pause, in seconds, doubles
PUBLIC = """; a public bucket is read without any by FSSPEC_S3='{"anon": true}' in the environment"""


def open_url(url: str) -> tuple[Any, str]:
    """The file system and the path in it. Raises InputError for a URL that nobody understands."""
    try:
        urlsplit(url)
        system, where = fsspec.url_to_fs(url, use_listings_cache=False, **(_web() if is_web(url) else {}))
    except (ValueError, ImportError, TypeError) as error:
        raise InputError(f"params.yaml: data.sources: {url}: {_said(error)}") from None
    except OSError as error:  # of services that are spoken to at once, such as ftp://
        raise RunError(f"{url}: {_said(error)}") from None
    return system, where


def is_web(url: str) -> bool:
    """Whether a web server is asked, which knows pages and no folders."""
    return url.startswith(("http://", "https://"))


def _web() -> dict[str, Any]:
    """How web servers are spoken to: they send files as they are; large ones take their time, but a silence ends."""
    import aiohttp  # takes a moment, and most sources lie elsewhere

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
    client = {"timeout": timeout, "trust_env": True}  # HTTPS_PROXY
    return {"headers": {"Accept-Encoding": "identity"}, "client_kwargs": client, "simple_links": False}


def tried(action: Any, url: str) -> Any:
    """What it gives, tried again after a pause. Raises FileNotFoundError, InputError for what a user must set right."""
    for attempt in range(TRIES):
        try:
            return action()
        except Exception as raised:  # each service raises errors of its own kinds
            error = _meant(raised, url)
        if isinstance(error, FileNotFoundError):
            raise error
        if _is_users(error):
            hint = PUBLIC if url.startswith("s3:") and "credential" in _said(error).lower() else ""
            raise InputError(f"params.yaml: data.sources: {url}: {_said(error)}{hint}")
        if attempt < TRIES - 1:
            time.sleep(PAUSE * 2**attempt)
    raise RunError(f"{url}: tried {TRIES} times: {_said(error)}")


def _meant(error: Exception, url: str) -> Exception:
    """Of HTTP, fsspec calls not found whatever goes wrong, a server that is down too."""
    cause = error.__cause__
    if is_web(url) and isinstance(error, FileNotFoundError) and isinstance(cause, Exception):
        return error if getattr(cause, "status", None) in (404, 410) else cause
    return error


def _is_users(error: Exception) -> bool:
    """Whether trying again is in vain."""
    status = error.status if hasattr(error, "status") else getattr(error, "code", None)  # aiohttp's, gcsfs'
    refused = any(word in _said(error).lower() for word in ("credential", "forbidden", "validation failed"))
    meant = isinstance(error, PermissionError | ValueError) and not isinstance(error, JSONDecodeError)
    return meant or status in (401, 403) or refused


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
