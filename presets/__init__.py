"""Named sets of values for params.yaml. `python -m presets NAME` applies one."""
