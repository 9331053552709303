"""The demo page, in Gradio, and the same page as a Space."""
