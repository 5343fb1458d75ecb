"""Certificates for tests, made as they are needed: authorities, what they issue, and files in PEM."""
import dataclasses
import datetime
import functools
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


@functools.lru_cache(None)
def rsa_key(bits, nth=0):
    """RSA keys are slow to make: there is one of each."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def new_key(kind="ecdsa"):
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind.startswith("rsa"):
        return rsa_key(int(kind[3:] or 2048))
    return ec.generate_private_key({"192": ec.SECP192R1, "384": ec.SECP384R1}.get(kind[5:], ec.SECP256R1)())


def write_secret(path, text):
    """A file that its owner alone may read."""
    path.touch(mode=0o600)
    path.write_text(text)


def subject(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def as_general(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclasses.dataclass
class Certificate:
    certificate: x509.Certificate
    key: object

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self):
        return self.locked(None)

    @property
    def serial(self):
        number = f"{self.certificate.serial_number:x}"
        return "0" * (len(number) % 2) + number   # whole bytes

    def locked(self, password):
        """The key, encrypted if there is a password."""
        how = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()


class Authority(Certificate):
    """Signs certificates; itself signed by another, or by itself."""

    def __init__(self, name="Test CA", parent=None, kind="ecdsa"):
        self.name, self.key, self.parent = name, new_key(kind), parent
        self.certificate = self.sign(parent or self, name, self.key, [
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)], -DAY, 3650 * DAY)

    @staticmethod
    def sign(by, name, key, extensions, begin, end):
        public = key.public_key()
        builder = (x509.CertificateBuilder().subject_name(subject(name)).issuer_name(subject(by.name)).public_key(public)
                   .serial_number(x509.random_serial_number()).not_valid_before(now() + begin).not_valid_after(now() + end)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), False))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(by.key, hashes.SHA256())

    def issue(self, *names, kind="ecdsa", begin=-DAY, end=90 * DAY, client=False, staple=False, key=None, place=None):
        key = key or new_key(kind)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        extensions = [(x509.ExtendedKeyUsage([usage]), False)]
        if names and not client:
            extensions.append((x509.SubjectAlternativeName([as_general(name) for name in names]), False))
        if place:   # of the issuer's certificate
            extensions.append((x509.AuthorityInformationAccess([x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(place))]), False))
        if staple:
            extensions.append((x509.TLSFeature([x509.TLSFeatureType.status_request]), False))
        return Certificate(self.sign(self, names[0] if names else "nobody", key, extensions, begin, end), key)

    def revoked(self, *certificates, begin=-DAY, end=DAY):
        """A list of revoked certificates, in PEM."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(subject(self.name))
        builder = builder.last_update(now() + begin).next_update(now() + end)
        for one in certificates:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number).revocation_date(now() + begin).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
