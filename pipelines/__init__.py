"""The flows over the DVC graph. They run stages as processes and import neither torch nor components."""
