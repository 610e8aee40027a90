"""Nodes beside the network: a file as a camera, a recorder, the web view, the live view."""

__all__ = ["image_replay", "live_view", "recorder", "state_log", "web_view"]
