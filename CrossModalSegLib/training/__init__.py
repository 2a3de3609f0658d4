"""Training runs: settings, engine, checkpoints, label-free selection, previews."""
