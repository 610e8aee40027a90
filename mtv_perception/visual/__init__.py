"""Pictures for people: overlays on images, and plots of scores."""
