"""CrossModalSegLib: unsupervised cross-modality domain adaptation of medical segmentation."""

__version__ = "0.1.0"

REPOSITORY_URL = ""
"""To be set when the repository is published; the README writes REPOSITORY_URL for it."""
