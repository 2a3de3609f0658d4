"""The pages of the Slicer module: Qt, and nothing that can be done without it."""
