"""Sets what Prefect reads from the environment when it is imported; import this module first, for its effect.

It allows a cold start of Prefect's server more time than Prefect's own limit, and turns telemetry off.
"""

import os
import tomllib
from pathlib import Path

os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "90")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

URL = "PREFECT_API_URL"


def read_api_url() -> str | None:
    """Return the server's address from the environment or from `prefect config set`, without importing Prefect."""
    if url := os.environ.get(URL):
        return url
    profiles = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser() / "profiles.toml"
    try:
        content = tomllib.loads(profiles.read_text())
        active = os.environ.get("PREFECT_PROFILE", content.get("active"))
        url = content["profiles"][active].get(URL)
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return None
    return str(url) if url else None
