"""CrossModalSegLib: unsupervised cross-modality domain adaptation of medical segmentation."""

__version__ = "0.1.0"
