"""Files of pictures and sounds to arrays and back: what a viewer shows, whole, and within bounds."""
