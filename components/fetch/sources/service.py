"""Talk to the service behind a URL through fsspec, and try again when it fails.

Credentials come from the environment, as each service documents (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL,
GOOGLE_APPLICATION_CREDENTIALS ...), never from params.yaml. Listings are not cached, since another program may change
the files. https://filesystem-spec.readthedocs.io
"""

import time
from json import JSONDecodeError
from typing import Any
from urllib.parse import urlsplit

import fsspec

from components.stage.disk import DiskError
from components.stage.errors import InputError, RunError

TRIES, PAUSE = 5, 0.5  # the pause is in seconds, and doubles after each try
PUBLIC = """; a public bucket is read without any by FSSPEC_S3='{"anon": true}' in the environment"""


def open_url(url: str) -> tuple[Any, str]:
    """Return the file system of the URL and the path in it. Raises InputError if the URL is not understood."""
    try:
        urlsplit(url)
        system, where = fsspec.url_to_fs(url, use_listings_cache=False, **(_build_web_options() if is_web(url) else {}))
    except (ValueError, ImportError, TypeError) as error:
        raise InputError(f"params.yaml: data.sources: {url}: {_describe(error)}") from None
    except OSError as error:  # from services that are contacted at once, such as ftp://
        raise RunError(f"{url}: {_describe(error)}") from None
    return system, where


def is_web(url: str) -> bool:
    """Whether the URL belongs to a web server, which knows pages and no folders."""
    return url.startswith(("http://", "https://"))


def _build_web_options() -> dict[str, Any]:
    """Return fsspec's options for web servers: no compression, no total time limit, but one for silence."""
    import aiohttp  # slow to import, and most sources are not on the web

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
    client = {"timeout": timeout, "trust_env": True}  # respects HTTPS_PROXY
    return {"headers": {"Accept-Encoding": "identity"}, "client_kwargs": client, "simple_links": False}


def try_repeatedly(action: Any, url: str) -> Any:
    """Return the action's result, and try again after a pause if it fails.

    Raises FileNotFoundError, InputError for what the user must correct, and RunError when the last try has failed.
    """
    for attempt in range(TRIES):
        try:
            return action()
        except DiskError:
            raise  # of this machine's disk: another try would find it as full
        except Exception as raised:  # each service raises its own kinds of errors
            error = _unwrap_error(raised, url)
        if isinstance(error, FileNotFoundError):
            raise error
        if _is_users_mistake(error):
            hint = PUBLIC if url.startswith("s3:") and "credential" in _describe(error).lower() else ""
            raise InputError(f"params.yaml: data.sources: {url}: {_describe(error)}{hint}")
        if attempt < TRIES - 1:
            time.sleep(PAUSE * 2**attempt)
    raise RunError(f"{url}: tried {TRIES} times: {_describe(error)}")


def _unwrap_error(error: Exception, url: str) -> Exception:
    """Return the cause of fsspec's FileNotFoundError over HTTP, unless it is 404 or 410; other errors unchanged."""
    cause = error.__cause__
    if is_web(url) and isinstance(error, FileNotFoundError) and isinstance(cause, Exception):
        return error if getattr(cause, "status", None) in (404, 410) else cause
    return error


def _is_users_mistake(error: Exception) -> bool:
    """Whether the user must correct the error, so that trying again is useless."""
    status = error.status if hasattr(error, "status") else getattr(error, "code", None)  # of aiohttp, of gcsfs
    is_unauthorised = any(word in _describe(error).lower() for word in ("credential", "forbidden", "validation failed"))
    is_refusal = isinstance(error, PermissionError | ValueError) and not isinstance(error, JSONDecodeError)
    return is_refusal or status in (401, 403) or is_unauthorised


def _describe(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
