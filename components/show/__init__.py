"""What a person looks at while a stage runs. No result depends on it, so no stage does either."""
