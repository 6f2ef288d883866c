"""Named sets of values for params.yaml, each a YAML file of only what it sets; `python -m presets NAME` applies one."""
