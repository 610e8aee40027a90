"""Geometry, materials and OpenGL: from a scene to pixels and instance ids."""

__all__ = ["assets", "camera", "mesh", "renderer", "scene", "sensor", "sweeps", "textures"]
