"""The parameters of what runs the stages. No stage depends on them."""
