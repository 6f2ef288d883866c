"""Sets what Prefect reads from the environment when it is imported; import this module first, for its effect.

It allows a cold start of Prefect's server more time than Prefect's own limit, turns telemetry off, lets a server forget
old runs, and keeps the calls to a server on this machine off the proxies.
"""

import os
import tomllib
from pathlib import Path

from pipelines import entrance

os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "90")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
# Runs that ended 90 days ago (Prefect's own default) leave its database; otherwise every night stays there for ever.
os.environ.setdefault("PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED", "events,flow_runs")

entrance.prepare_process()  # also where a worker of Prefect's starts a flow, which no command of ours has begun
if all(os.environ.get(name) or os.environ.get(name.upper()) for name in ("http_proxy", "https_proxy")):
    for name in ("all_proxy", "ALL_PROXY"):  # is for other protocols then, and httpx fails on socks:// all the same
        os.environ.pop(name, None)

URL = "PREFECT_API_URL"


def read_api_url() -> str | None:
    """Return the server's address from the environment or from `prefect config set`, without importing Prefect."""
    return os.environ.get(URL) or _read_profile()[0]


def describe_origin() -> str:
    """Say where `read_api_url` has found the address."""
    if os.environ.get(URL):
        return f"{URL} in the environment"
    _, profile, path = _read_profile()
    return f"{URL} in the profile {profile} of {path}"


def _read_profile() -> tuple[str | None, str, Path]:
    """Return the address in Prefect's active profile, the profile's name and the file of the profiles."""
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    path = Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml")).expanduser()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        name = os.environ.get("PREFECT_PROFILE", content.get("active"))
        return content["profiles"][name].get(URL), str(name), path
    except (OSError, KeyError, ValueError):  # ValueError: it is no TOML, or no text
        return None, "", path
