"""The room of the stage labels: it looks for wrong labels, outliers and near-duplicates."""
