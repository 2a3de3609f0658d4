"""Model packages in MONAI's layout, read without executing anything."""
