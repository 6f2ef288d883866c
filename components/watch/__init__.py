"""What is seen of a run while it trains: readings of its health, logs, cost."""
