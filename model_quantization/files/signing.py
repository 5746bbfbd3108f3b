"""Ed25519 signatures of artifacts and of releases.

A signature covers a digest behind a word for its kind, so that an artifact's signature is never
valid for a release. Keys are PEM files (PKCS #8 private, SubjectPublicKeyInfo public), as `openssl
genpkey -algorithm ed25519` and `model-quantization keygen` make them. A key is named by the first
16 hex digits of the SHA-256 of its 32 public bytes.

Needs the package `cryptography` (the extra `signing`), which is imported when a key is read.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from model_quantization.errors import ConfigError, FormatError, SignatureError
from model_quantization.extras import need

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

ARTIFACT: Final = "qma artifact"
RELEASE: Final = "qma release"
ENVIRONMENT: Final = "env:"
_LARGEST_KEY_FILE: Final = 1 << 16
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")
_KEY_ID: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as it is stored.

    Attributes
    ----------
    key_id : str
        Names the key: 16 hex digits.
    value : str
        128 hex digits.
    """

    key_id: str
    value: str


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The keys whose signatures count.

    Attributes
    ----------
    keys : mapping of str to public key
        By key id. Several, so that a new key is known before the old one retires.
    required : bool
        Whether unsigned files are refused. Signatures must always verify.
    """

    keys: Mapping[str, Ed25519PublicKey]
    required: bool = True

    def check(self, purpose: str, digest: str, signature: Signature | None, where: str) -> None:
        """Check that one of the keys signed `digest`, or that no signature is required.

        Raises
        ------
        SignatureError
            No signature although one is required, one by another key, or a wrong one.
        """
        from cryptography.exceptions import InvalidSignature

        if signature is None:
            if self.required:
                raise SignatureError(
                    "not signed",
                    where=where,
                    expected=f"a signature by {self._named()}",
                    do="publish with `signing_key` set; until then do not use this",
                )
            return
        key = self.keys.get(signature.key_id)
        if key is None:
            raise SignatureError(
                "signed by a key that is not known here",
                where=where,
                expected=f"a signature by {self._named()}",
                got=f"key {signature.key_id}",
                do="add its public key to `public_keys` if it is yours; otherwise do not use this",
            )
        try:
            key.verify(bytes.fromhex(signature.value), _message(purpose, digest))
        except InvalidSignature:
            raise SignatureError(
                "the signature is wrong",
                where=where,
                expected=f"a signature by key {signature.key_id} over what is there",
                do="do not use this: it was changed after it was signed",
            ) from None

    def _named(self) -> str:
        return f"key {' or '.join(sorted(self.keys))}"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; it is never printed, and never sent to another process."""

    key_id: str
    _private: Ed25519PrivateKey = field(repr=False)

    def sign(self, purpose: str, digest: str) -> Signature:
        """Return the signature over a digest (hex); the same input gives the same signature."""
        return Signature(self.key_id, self._private.sign(_message(purpose, digest)).hex())

    def public_keys(self, former: Sequence[str] = ()) -> PublicKeys:
        """Return this key's public half beside those in the files `former`; nothing required."""
        public = self._private.public_key()
        return PublicKeys(
            MappingProxyType({**_read_public(former), self.key_id: public}), required=False
        )


def read_signing_key(source: str | Path) -> SigningKey:
    """Return the private key in a PEM file, or in an environment variable (`env:NAME`).

    Raises
    ------
    ConfigError
        It is not there, cannot be read, or is no Ed25519 private key; or `cryptography` is not
        installed.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = _pem(source, "signing_key")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise _unusable("signing_key", source, "an Ed25519 private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable("signing_key", source, "an Ed25519 private key in PEM")
    return SigningKey(_key_id(key.public_key()), key)


def read_public_keys(
    sources: Sequence[str | Path], *, required: bool | None = None
) -> PublicKeys | None:
    """Return the public keys in PEM files; None without any.

    Parameters
    ----------
    sources : sequence of path or str
        Files, or environment variables (`env:NAME`).
    required : bool, optional
        Whether a signature is required; by default if there is a key.

    Raises
    ------
    ConfigError
        A key that cannot be used, or signatures required without any key.
    """
    if not sources:
        if required:
            raise ConfigError(
                "a signature is required and no key is given",
                where="public_keys",
                expected="at least one public key",
                do="make a pair with `model-quantization keygen`",
            )
        return None
    return PublicKeys(
        MappingProxyType(_read_public(sources)), required=True if required is None else required
    )


def generate_key_pair() -> tuple[bytes, bytes, str]:
    """Return a new pair as (private PEM, public PEM, key id).

    Raises
    ------
    MissingExtra
        `cryptography` is not installed.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, public, _key_id(key.public_key())


def parse_signature(key_id: object, value: object, where: str) -> Signature:
    """Return the signature that these two stored fields are.

    Raises
    ------
    FormatError
        They are not 16 and 128 lower-case hex digits.
    """
    if (
        not isinstance(key_id, str)
        or not isinstance(value, str)
        or not _KEY_ID.fullmatch(key_id)
        or not _SIGNATURE.fullmatch(value)
    ):
        raise FormatError(
            "not a signature",
            where=where,
            expected="a key id of 16 and a signature of 128 hex digits",
            got=f"{key_id!r}, {value!r}"[:80],
            do="publish again",
        )
    return Signature(key_id, value)


def _read_public(sources: Sequence[str | Path]) -> dict[str, Ed25519PublicKey]:
    _need_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    found: dict[str, Ed25519PublicKey] = {}
    for source in sources:
        pem = _pem(source, "public_keys")
        try:
            key = load_pem_public_key(pem)
        except (ValueError, TypeError) as error:
            raise _unusable("public_keys", source, "an Ed25519 public key in PEM") from error
        if not isinstance(key, Ed25519PublicKey):
            raise _unusable("public_keys", source, "an Ed25519 public key in PEM")
        found[_key_id(key)] = key
    return found


def _key_id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _message(purpose: str, digest: str) -> bytes:
    return f"{purpose}\n{digest}".encode("ascii")


def _pem(source: str | Path, key: str) -> bytes:
    text = str(source)
    if text.startswith(ENVIRONMENT):
        pem = os.environ.get(text.removeprefix(ENVIRONMENT), "")
        if not pem:
            raise ConfigError("the environment variable is not set", where=f"{key}: {text}")
        return pem.encode()
    try:
        with Path(source).open("rb") as file:
            return file.read(_LARGEST_KEY_FILE)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "the key cannot be read",
            where=f"{key}: {text}",
            got=getattr(error, "strerror", None) or str(error),
            do="name a PEM file, or `env:NAME` for one in the environment",
        ) from error


def _unusable(key: str, source: str | Path, expected: str) -> ConfigError:
    return ConfigError(
        "not a key that can be used",
        where=f"{key}: {source}",
        expected=expected,
        do="make a pair with `model-quantization keygen`",
    )


def _need_cryptography() -> None:
    need("signing", "cryptography")
