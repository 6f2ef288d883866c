"""The graph read out of DVC and run, with or without Prefect."""
