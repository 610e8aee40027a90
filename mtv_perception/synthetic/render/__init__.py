"""Geometry, materials and OpenGL: from a scene to pixels and instance ids."""
