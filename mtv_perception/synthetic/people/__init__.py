"""People: bodies, clothes, poses, and cut-outs of real ones."""
