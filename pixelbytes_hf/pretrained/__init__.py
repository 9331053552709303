"""What every class that loads from a checkpoint needs: checks of settings, and of files in the Hub's cache."""
