"""Encoders, classifiers, image decoders and discriminators."""
