"""Nodes beside the network: a file as a camera, a recorder, the web view, the live view."""
