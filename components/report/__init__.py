"""Stage report: one page and the model card."""
