"""Whether camera images get through the middleware as this process' environment sets it up.

Where they do not, nothing says so: the node waits for images, and the camera believes that it sends
them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

FASTDDS_TRANSPORT = "DEFAULT?sockets_size=8MB"
"""FASTDDS_BUILTIN_TRANSPORTS of processes that send images: the default transports, but a shared-memory segment (two
socket buffers long) that holds several images. Receivers on the same machine need nothing."""

VGA_BYTES = {"raw": 480 * 640 * 3, "compressed": 480 * 640}
"""The largest message of a usual small camera by the node's `transport`: its image, or else the mask."""

# Source: Fast DDS 3.2, RTPSParticipantAttributes.cpp and UnitsParser.cpp: the shared-memory segment
# is twice as long as the socket buffers, else as below. An image leaves in pieces which must fit
# into it together, or most are lost: docs/how-to/deploy.md. That of LARGE_DATA is from 3.2.0 on,
# before it was as short as the others'.
_FASTDDS_SEGMENT_BYTES = 512 * 1024
_FASTDDS_SEGMENTS = {"LARGE_DATA": 8500 * 1024, "LARGE_DATAv6": 8500 * 1024, "P2P": 8500 * 1024}
_FASTDDS_OPTIONS = re.compile(
    r"\w+\?(((max_msg_size|sockets_size)=\d+\w*|non_blocking=\w+|tcp_negotiation_timeout=\d+)&?){0,4}"
)
_FASTDDS_SOCKETS_SIZE = re.compile(r"\bsockets_size=(\d+)(\w*)")
_FASTDDS_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
}
_UDP_PACKET_BYTES = 65535
_FASTDDS_PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
_FASTDDS_LOCAL_PROFILES = ("DEFAULT_FASTDDS_PROFILES.xml", "DEFAULT_FASTRTPS_PROFILES.xml")
# Source: ROS 2 documentation, "DDS tuning information", Cyclone DDS.
_CYCLONE_BUFFER_BYTES = 10 * 1024 * 1024
_RECEIVE_BUFFER_FILE = Path("/proc/sys/net/core/rmem_max")


def _fast_dds_limit(transport: str) -> int:
    """Bytes of the largest image that a value of FASTDDS_BUILTIN_TRANSPORTS carries whole."""
    name = transport.partition("?")[0]
    if name in ("UDPv4", "UDPv6"):
        return _UDP_PACKET_BYTES
    size = _FASTDDS_SOCKETS_SIZE.search(transport)
    if size and _FASTDDS_OPTIONS.fullmatch(transport) and size[2].upper() in _FASTDDS_UNITS:
        return 2 * int(size[1]) * _FASTDDS_UNITS[size[2].upper()]
    return _FASTDDS_SEGMENTS.get(name, _FASTDDS_SEGMENT_BYTES)


def _fast_dds(environment: Mapping[str, str], image_bytes: int, folder: Path) -> str:
    """A profile is somebody's decision and not judged; it wins over the built-in transports."""
    profiles = [Path(environment[name]) for name in _FASTDDS_PROFILES if environment.get(name)]
    profiles += [folder / name for name in _FASTDDS_LOCAL_PROFILES]
    value = environment.get("FASTDDS_BUILTIN_TRANSPORTS", "")
    limit = _fast_dds_limit(value)
    if image_bytes <= limit or any(path.is_file() for path in profiles):
        return ""
    wanted = "a larger sockets_size" if value == FASTDDS_TRANSPORT else repr(FASTDDS_TRANSPORT)
    return (
        f"Most images will be lost where whoever sends them is set up as this process is: one of {image_bytes} bytes "
        f"does not fit into {limit} bytes of Fast DDS' transport. Expected {wanted} as FASTDDS_BUILTIN_TRANSPORTS (or "
        f"a profile) in the environment of the camera and of this process, got {value or 'none'!r} here."
    )


def _cyclone_dds(environment: Mapping[str, str], image_bytes: int, folder: Path) -> str:
    allowed = _receive_buffer_bytes()
    if allowed is None or allowed >= max(_CYCLONE_BUFFER_BYTES, image_bytes):
        return ""
    return (
        f"Images may be lost: one of {image_bytes} bytes comes as many packets at once. Expected net.core.rmem_max "
        f"of at least {_CYCLONE_BUFFER_BYTES} (sysctl) and a SocketReceiveBufferSize of 10MB in CYCLONEDDS_URI, "
        f"got {allowed}."
    )


def _receive_buffer_bytes() -> int | None:
    """The largest receive buffer that the kernel gives a socket; None where it does not say."""
    try:
        return int(_RECEIVE_BUFFER_FILE.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


_CHECKS: dict[str, Callable[[Mapping[str, str], int, Path], str]] = {
    "rmw_fastrtps_cpp": _fast_dds,
    "rmw_fastrtps_dynamic_cpp": _fast_dds,
    "rmw_cyclonedds_cpp": _cyclone_dds,
}


def transport_warning(
    rmw: str,
    image_bytes: int,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> str:
    """What to set so that images arrive; empty where nothing is known to be wrong.

    Args:
        rmw: identifier of the RMW implementation; of others than Fast DDS and Cyclone DDS nothing
            is said.
        image_bytes: of the largest message.
        environment: of the process; by default this one's.
        folder: working directory, where Fast DDS also looks for a profile; by default this
            process'.
    """
    check = _CHECKS.get(rmw)
    if check is None:
        return ""
    return check(
        os.environ if environment is None else environment, image_bytes, folder or Path.cwd()
    )
