"""Prediction: a volume in, a segmentation on the volume's own grid out."""
