"""`report`: what the page shows."""

from components.params.base import Count, Params, Seed


class Report(Params):
    """Sizes of the picture galleries."""

    seed: Seed
    queries: Count  # test images whose neighbours are shown
    neighbours: Count


Section = Report
