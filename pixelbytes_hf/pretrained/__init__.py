"""What every class that loads from a checkpoint needs: checks of settings, and whether the code is a copy."""
