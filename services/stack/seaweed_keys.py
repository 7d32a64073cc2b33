"""What keeps others out of the object store's inner ports: keys for its HTTP, certificates for its gRPC.

Loopback is open to everyone on the machine. Volume and filer therefore ask for a token that only the stack
can sign, and every gRPC port asks the caller for a certificate of this stack's own authority.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.stack.plan import Plan, write_private

_COMPONENTS = ("master", "volume", "filer", "s3", "client", "admin", "worker")
_TOKENS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
_FROM, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)


def write(folder: Path, plan: Plan) -> Path:
    """Write `security.toml` and the certificates it names; returns the folder for `weed -config_dir`."""
    place = folder / "s3.keys"
    place.mkdir(mode=0o700, exist_ok=True)
    files = [place / name for name in ("authority.pem", "certificate.pem", "key.pem")]
    if not all(file.exists() for file in files):
        for file, text in zip(files, _certificates(), strict=True):
            write_private(file, text)
    authority, certificate, key = files
    sections = [f'[{name}]\nkey = "{_token(name, plan)}"' for name in _TOKENS]
    sections.append(f'[grpc]\nca = "{authority}"')
    sections += [f'[grpc.{name}]\ncert = "{certificate}"\nkey = "{key}"' for name in _COMPONENTS]
    write_private(place / "security.toml", "\n\n".join(sections) + "\n")
    return place


def _token(name: str, plan: Plan) -> str:
    return hashlib.sha256(f"{name} {plan.inner_key}".encode()).hexdigest()


def _certificates() -> tuple[str, str, str]:
    """An authority that nobody else has, and one certificate of it with its key, as PEM.

    The authority's own key is forgotten: nothing else is ever to be signed with it.
    """
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = (
        _certificate("surco stack", "surco stack", authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        _certificate("seaweedfs", "surco stack", key.public_key())
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    return authority.public_bytes(pem).decode(), certificate.public_bytes(pem).decode(), private.decode()


def _certificate(name: str, issuer: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    named = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer)]
    return (
        x509.CertificateBuilder()
        .subject_name(named[0])
        .issuer_name(named[1])
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
    )
