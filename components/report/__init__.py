"""The stage report: it writes one page and the model card."""
