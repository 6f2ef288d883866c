"""Measurements that take longer than a test; each is a command and leaves a record in results/."""
