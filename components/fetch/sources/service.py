"""Talk to the service behind a URL through fsspec, and try again when it fails.

Credentials come from the environment, as each service documents (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL,
GOOGLE_APPLICATION_CREDENTIALS ...), from ~/.netrc or from fsspec's own files, never from params.yaml. Listings are not
cached, since another program may change the files. https://filesystem-spec.readthedocs.io
"""

import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from typing import Any

import fsspec

from components.fetch.sources.web import ChangedError, build_options, is_web
from components.fetch.urls import find_fault
from components.stage.disk import DiskError
from components.stage.errors import InputError, RunError
from components.stage.secrets import mask
from components.stage.shown import escape, shorten

TRIES, PAUSE = 5, 0.5  # the pause is in seconds, and doubles after each try
SHOWN = 200  # characters of a URL that is wrong
LONGEST_PAUSE = 60.0  # seconds; a server that asks for more is asked again after these
PUBLIC = """; a public bucket is read without any by FSSPEC_S3='{"anon": true}' in the environment"""

NAMED = "; give a name and password in ~/.netrc, or a token in fsspec's own files, as docs/images.md shows"


def open_url(url: str) -> tuple[Any, str]:
    """Return the file system of the URL and the path in it. Raises InputError if the URL is not understood."""
    try:
        if fault := find_fault(url):  # a manifest or a page may name it
            raise ValueError(fault)
        system, where = fsspec.url_to_fs(url, use_listings_cache=False, **(build_options(url) if is_web(url) else {}))
    except (ValueError, ImportError, TypeError) as error:
        raise InputError(f"params.yaml: data.sources: {_show(url)}: {_describe(error)}") from None
    except OSError as error:  # from services that are contacted at once, such as ftp://
        raise RunError(f"{url}: {_describe(error)}") from None
    return system, where


def try_repeatedly(action: Any, url: str) -> Any:
    """Return the action's result, and try again after a pause if it fails, which a line says.

    Raises FileNotFoundError and ChangedError, InputError for what the user must correct, and RunError when the last try
    has failed.
    """
    for attempt in range(TRIES):
        try:
            return action()
        except DiskError:
            raise  # of this machine's disk: another try would find it as full
        except Exception as raised:  # each service raises its own kinds of errors
            error = _unwrap_error(raised, url)
        if isinstance(error, FileNotFoundError | ChangedError):
            raise error
        if _is_users_mistake(error):
            hint = PUBLIC if url.startswith("s3:") and "credential" in _describe(error).lower() else ""
            hint = NAMED if getattr(error, "status", None) == 401 else hint
            raise InputError(f"params.yaml: data.sources: {url}: {_describe(error)}{hint}")
        if attempt < TRIES - 1:
            pause = max(PAUSE * 2**attempt, _read_pause(error))
            print(f"fetch: {url}: {_describe(error)}; asked again in {pause:g} s", flush=True)
            time.sleep(pause)
    raise RunError(f"{url}: tried {TRIES} times: {_describe(error)}")


def _unwrap_error(error: Exception, url: str) -> Exception:
    """Return the cause of fsspec's FileNotFoundError over HTTP, unless it is 404 or 410; other errors unchanged."""
    cause = error.__cause__
    if is_web(url) and isinstance(error, FileNotFoundError) and isinstance(cause, Exception):
        return error if getattr(cause, "status", None) in (404, 410) else cause
    return error


def _is_users_mistake(error: Exception) -> bool:
    """Whether the user must correct the error, so that trying again is useless."""
    if _is_redirected_without_end(error):
        return True
    if (status := getattr(error, "status", None)) is not None:  # of aiohttp, whose texts may name any URL
        return status in (401, 403)
    is_unauthorised = any(word in _describe(error).lower() for word in ("credential", "forbidden", "validation failed"))
    is_refusal = isinstance(error, PermissionError | ValueError) and not isinstance(error, JSONDecodeError)
    return is_refusal or getattr(error, "code", None) in (401, 403) or is_unauthorised  # the code is of gcsfs


def _is_redirected_without_end(error: Exception) -> bool:
    return type(error).__name__ == "TooManyRedirects"  # of aiohttp, which is imported for web servers only


def _read_pause(error: Exception) -> float:
    """Return the seconds that a server asks to wait for, at most LONGEST_PAUSE; 0 if it asks for none (RFC 9110)."""
    told = (getattr(error, "headers", None) or {}).get("Retry-After", "")
    if re.fullmatch(r"\d{1,9}", told):
        return min(float(told), LONGEST_PAUSE)
    try:
        seconds = (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):  # TypeError: a date without a time zone
        return 0.0
    return min(max(seconds, 0.0), LONGEST_PAUSE)


def _describe(error: Exception) -> str:
    """Describe an error in one line without secrets; a server may have led to another URL, which is left out."""
    if _is_redirected_without_end(error):
        return "the server redirects without end, as where a login is asked for"
    return mask(re.sub(r", url='[^']*'$", "", " ".join(str(error).split()))) or type(error).__name__


def _show(url: str) -> str:
    return escape(shorten(mask(url), SHOWN))  # a password that is cut off would not be found
