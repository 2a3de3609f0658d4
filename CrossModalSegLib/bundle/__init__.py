"""Model packages in MONAI's bundle layout: described, checked, written whole, read without risk."""
