"""The parts of the report: charts, pictures, and the page that holds them."""
