"""What a person looks at while a stage runs: no result depends on it, so it is no dep of any stage."""
