"""What a person sees while a stage runs."""
