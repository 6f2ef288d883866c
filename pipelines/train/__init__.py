"""Reads the graph of stages from DVC and runs it, with or without Prefect."""
