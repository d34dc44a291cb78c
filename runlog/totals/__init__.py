"""A journal's totals: fold states and statistics of metrics."""
