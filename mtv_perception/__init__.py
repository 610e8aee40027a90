"""Objects and pixels for warehouse robots.

One network, one pass, detections and a segmentation mask.
"""

from pkgutil import extend_path

# The generated `mtv_perception.msg` may live in another prefix (a ROS install, a venv) than these
# modules.
__path__ = extend_path(__path__, __name__)

__all__ = ["__version__"]

__version__ = "0.2.0"
