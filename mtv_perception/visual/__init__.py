"""Pictures for people: overlays, colour masks, plots. One palette everywhere (see labels)."""
