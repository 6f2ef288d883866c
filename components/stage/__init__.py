"""What every stage stands on: its command line, the checked params.yaml, errors, small files."""
