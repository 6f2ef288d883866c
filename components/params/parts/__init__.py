"""Types that sections share or that would make one long; no section of its own."""
