"""Training runs as the Train page needs them: data, requests, processes, progress, results."""
