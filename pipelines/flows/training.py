"""The graph as a flow for `python -m pipelines.train`: at the server that the user has named, or at one of its own.

Starting a server takes seconds, and so do Prefect's import and the check of params.yaml: all three go on at once.
"""

import os
from pathlib import Path

from pipelines.errors import USER_ERROR, Say
from pipelines.flows import environment, named, password, server
from pipelines.train import settings

ADVICE = "or run with --no-server"


def run_graph(root: Path, say: Say) -> dict[str, str]:
    """Bring every stage of a checkout up to date; return the outcome by stage. Raises StageError or GraphError."""
    named.check_proxies(ADVICE)
    started = None
    if not named.find_server(USER_ERROR, ADVICE):
        say("starting a Prefect server for this run")
        os.environ[environment.PAGE] = ""  # this server has no page on which a run could be looked at
        started = server.start_server(root, password.make_password(), ["0", "--temporary"], say, ADVICE)
    from pipelines.flows import flow  # here only: Prefect reads the address when it is imported

    flow_settings = settings.read_settings(root)["flow"]
    if started:
        started.wait(say)
    return flow.run_with(flow_settings, root)
