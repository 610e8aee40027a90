#!/usr/bin/env python3
"""Writes a software bill of materials (CycloneDX 1.6, JSON) of what runs on a robot.

    tools/sbom.py build/sbom.json

Components: the package, its Python packages with the hashes that `pip install --require-hashes`
accepts (requirements/robot.txt), its ROS packages (package.xml), and each model with its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
import xml.etree.ElementTree as ET
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def python_components(locked: str) -> list[dict[str, Any]]:
    """One component a pinned package of a hashed requirements file.

    A hash for each of its files.
    """
    parts = re.split(r"(?m)^(?=[A-Za-z0-9])", locked)
    found = []
    for part in parts:
        if not (pin := _PIN.match(part)):
            continue
        name, version = pin.groups()
        purl = f"pkg:pypi/{name.lower()}@{version}"
        files = [
            {
                "type": "distribution",
                "url": purl,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
            for digest in sorted(_HASH.findall(part))
        ]
        found.append(_component("library", name, version, purl) | {"externalReferences": files})
    return found


def ros_components(package: ET.Element) -> list[dict[str, Any]]:
    """The packages that must be there at run time; their versions are the distribution's."""
    kinds = ("depend", "exec_depend")
    names = sorted({item.text or "" for kind in kinds for item in package.findall(kind)})
    return [
        {"type": "library", "bom-ref": f"ros:{name}", "name": name, "group": "ros"}
        for name in names
    ]


def model_components(folder: Path) -> list[dict[str, Any]]:
    """Every model file, with its hash."""
    found = []
    for path in sorted(folder.glob("*/model.tflite")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(
            {
                "type": "machine-learning-model",
                "bom-ref": f"model:{path.parent.name}",
                "name": path.parent.name,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
        )
    return found


def _component(kind: str, name: str, version: str, reference: str) -> dict[str, Any]:
    return {
        "type": kind,
        "bom-ref": reference,
        "name": name,
        "version": version,
        "purl": reference,
    }


def bill(root: Path = ROOT) -> dict[str, Any]:
    """The bill of materials of a source tree."""
    package = ET.parse(root / "package.xml").getroot()
    name, version = package.findtext("name", ""), package.findtext("version", "")
    locked = (root / "requirements" / "robot.txt").read_text(encoding="utf-8")
    components = [
        *python_components(locked),
        *ros_components(package),
        *model_components(root / "models"),
    ]
    product = {
        "type": "application",
        "bom-ref": name,
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": package.findtext("license", "")}}],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components))}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "component": product,
        },
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": [item["bom-ref"] for item in components]}],
    }


def main() -> int:
    """The command."""
    if len(sys.argv) != 2:
        print(f"usage: {sys.argv[0]} FILE", file=sys.stderr)
        return 2
    path, content = Path(sys.argv[1]), bill()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(f"{path}: {len(content['components'])} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
