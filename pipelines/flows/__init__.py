"""All that knows Prefect."""
