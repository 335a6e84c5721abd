"""Many answers streamed at once, through several ways from the model to the reader."""
