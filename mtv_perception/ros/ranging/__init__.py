"""The ranging node: detections in metres and the floor map."""
