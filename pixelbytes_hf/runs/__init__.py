"""Folders of trained runs and the files in them."""
