"""Prediction: volume in, segmentation out on the volume's own grid."""
