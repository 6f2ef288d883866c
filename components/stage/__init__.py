"""The room that every stage uses: its command line, the checked params.yaml, errors and small files."""
