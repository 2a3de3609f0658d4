"""Between Slicer's MRML scene and the library: volumes, segmentations and views, without Qt."""
