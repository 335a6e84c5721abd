"""One module per kind of object; each exports the endpoints it answers."""
