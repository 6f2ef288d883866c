"""What Prefect reads of the environment when it is imported, so this comes first: imported for its effect.

A cold start of its server takes longer than Prefect's own limit, and its telemetry is off.
"""

import os
import tomllib
from pathlib import Path

os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "90")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

URL = "PREFECT_API_URL"


def api_url() -> str | None:
    """Of the server that is named in the environment or by `prefect config set`; told without importing Prefect."""
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
