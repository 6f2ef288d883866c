"""The graph as a flow for `python -m pipelines.train`: at the server that the user has named, or at one of its own.

Starting a server takes seconds, and so do Prefect's import and the check of params.yaml: all three go on at once.
"""

import importlib
import os
from pathlib import Path
from typing import cast

from pipelines.errors import USER_ERROR, Say
from pipelines.flows import named, password, server
from pipelines.train import settings

ADVICE = "or run with --no-server"
FLOW = "pipelines.flows.flow"  # by name: Prefect reads the environment when it is imported


def run_graph(root: Path, say: Say) -> dict[str, str]:
    """Bring every stage of a checkout up to date; return the outcome by stage. Raises StageError or GraphError."""
    named.check_proxies(ADVICE)
    if named.find_server(USER_ERROR, ADVICE):
        return cast(dict[str, str], importlib.import_module(FLOW).run_graph(root, say))
    say("starting a Prefect server for this run")
    os.environ["PREFECT_UI_URL"] = ""  # it has no page that a run could be looked at on
    started = server.start_server(root, password.make_password(), ["0", "--temporary"], say, ADVICE)
    flow = importlib.import_module(FLOW)
    flow_settings = settings.read_settings(root)["flow"]
    started.wait(say)
    return cast(dict[str, str], flow.run_with(flow_settings, root))
