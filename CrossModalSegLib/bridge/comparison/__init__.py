"""Methods side by side: running them, linked views, errors against a reference, scores."""
