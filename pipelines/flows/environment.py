"""Sets what Prefect reads from the environment when it is imported; import this module first, for its effect.

It turns telemetry off, lets a server forget old runs, and keeps the calls to a server on this machine off the proxies.
"""

import os
import re
import tomllib
from pathlib import Path

from pipelines import entrance
from pipelines.errors import USER_ERROR, StageError

os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# Runs that ended 90 days ago (Prefect's own default) leave its database; otherwise every night stays there for ever.
os.environ.setdefault("PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED", "events,flow_runs")

entrance.prepare_process()  # also where a worker of Prefect's starts a flow, which no command of ours has begun
if all(os.environ.get(name) or os.environ.get(name.upper()) for name in ("http_proxy", "https_proxy")):
    for name in ("all_proxy", "ALL_PROXY"):  # is for other protocols then, and httpx fails on socks:// all the same
        os.environ.pop(name, None)

URL, AUTH = "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"  # of a server, and what it asks for
PAGE = "PREFECT_UI_URL"
ORIGINS = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"


def read_api_url() -> str | None:
    """Return the server's address, without importing Prefect."""
    return read_setting(URL)


def read_setting(name: str) -> str | None:
    """Return a setting of Prefect's from the environment or from `prefect config set`; None if there is none."""
    return os.environ.get(name) or _read_profile()[0].get(name)


def describe_origin() -> str:
    """Say where `read_api_url` has found the address."""
    if os.environ.get(URL):
        return f"{URL} in the environment"
    _, profile, path = _read_profile()
    return f"{URL} in the profile {profile} of {path}"


def read_origins() -> list[str]:
    """Return the foreign pages that may use a server of ours, as https://byol.example.org. Raises StageError."""
    origins = [origin.strip().lower() for origin in (read_setting(ORIGINS) or "").split(",") if origin.strip()]
    for origin in origins:
        if not re.fullmatch(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?", origin):
            wanted = "pages with commas between them, such as https://byol.example.org"
            raise StageError(f"{ORIGINS}: {wanted}, not {origin}", USER_ERROR)
    return origins


def find_home() -> Path:
    """Return Prefect's own folder."""
    return Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()


def _read_profile() -> tuple[dict[str, str], str, Path]:
    """Return the settings of Prefect's active profile, the profile's name and the file of the profiles."""
    path = Path(os.environ.get("PREFECT_PROFILES_PATH", find_home() / "profiles.toml")).expanduser()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        name = os.environ.get("PREFECT_PROFILE", content.get("active"))
        return dict(content["profiles"][name]), str(name), path
    except (OSError, KeyError, ValueError, TypeError):  # ValueError: it is no TOML, or no text
        return {}, "", path
