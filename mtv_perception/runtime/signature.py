"""The optional signature of a model's description, which holds the hash of the model file."""

from __future__ import annotations

from pathlib import Path

from mtv_perception.errors import ArtefactError

SIGNATURE_FILE = "model.yaml.sig"
_SIGNATURE_BYTES = 64


def check_signature(description: bytes, signature_file: Path, public_key_file: Path) -> None:
    """Check the ed25519 signature (RFC 8032) of `model.yaml`.

    Args:
        description: the bytes of `model.yaml`.
        signature_file: 64 bytes, as `openssl pkeyutl -sign -rawin` writes them.
        public_key_file: PEM, from a place that whoever writes models can't write.

    Raises:
        ArtefactError: no signature, another one, no key, or the package `cryptography` is not
            installed.
    """
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise ArtefactError(
            "model_public_key needs the package cryptography: pip install cryptography, or "
            "apt install python3-cryptography."
        ) from error
    try:
        key = load_pem_public_key(public_key_file.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ArtefactError(
            f"{public_key_file}: expected an ed25519 public key in PEM: {error}"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ArtefactError(
            f"{public_key_file}: expected an ed25519 public key, got {type(key).__name__}."
        )
    try:
        with signature_file.open("rb") as file:
            signature = file.read(_SIGNATURE_BYTES + 1)
    except OSError as error:
        raise ArtefactError(
            f"{signature_file}: expected a signature of {_SIGNATURE_BYTES} bytes: {error}"
        ) from error
    try:
        key.verify(signature, description)
    except InvalidSignature as error:
        raise ArtefactError(
            f"{signature_file}: the signature does not belong to the description and the key {public_key_file}."
        ) from error
