"""Real programs that speak TLS: clients that pass stdin and stdout on, proxies that dial, and servers."""

import os

import servers
from client import run

#: Text: some programs have signs of their own for what is not.
UP = os.urandom(150_000).hex().encode()
#: NSS's client begins to print behind the head of an answer.
DOWN = b"\r\n\r\n" + os.urandom(250_000).hex().encode()


def swap(peer):
    """A script of an origin that takes UP, then sends DOWN; whether it came. None: nothing came."""
    first = peer.recv(len(UP))
    if not first:
        return None
    got = first + peer.read(len(UP) - len(first))
    peer.send(DOWN)
    return got == UP


def trusting(folder, ca, at="nss"):
    """A folder in which NSS trusts the authority; it makes one if there is none."""
    where = folder / at
    where.mkdir(parents=True)
    run("certutil", "-N", "-d", f"sql:{where}", "--empty-password")
    run("certutil", "-A", "-d", f"sql:{where}", "-n", "ca", "-t", "C,,", "-i", ca)
    return where


def openssl_client(port, site, version, *options):
    return ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", site.ca, "-verify_return_error", "-verify_hostname",
            "site.test", "-servername", "site.test", f"-tls1_{version[2:]}", *options]


def gnutls_client(port, site, version, *options):
    return ["gnutls-cli", "-p", port, "127.0.0.1", "--x509cafile", site.ca, "--sni-hostname=site.test", "--verify-hostname=site.test",
            "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}", *options]


def nss_client(port, site, version, *options):
    return ["tstclnt", "-h", "127.0.0.1", "-p", port, "-a", "site.test", "-d", f"sql:{trusting(site.ca.parent, site.ca)}",
            "-V", f"tls{version}:tls{version}", *options]


def swap_by(command, folder):
    """Gives the program UP, from a file, and returns all that it has received. It goes on when its input has ended."""
    (folder / "up").write_bytes(UP)
    with open(folder / "up", "rb") as up:
        return run(*command, stdin=up).stdout


# Proxies that speak TLS to relayd


class Stunnel(servers.Server):
    def __init__(self, port, site, version):
        super().__init__()
        (self.directory / "stunnel.conf").write_text(
            f"foreground = yes\npid =\n[relay]\nclient = yes\naccept = {self.address}\nconnect = 127.0.0.1:{port}\n"
            f"CAfile = {site.ca}\nverifyChain = yes\ncheckHost = site.test\nsni = site.test\nsslVersion = TLSv{version}\n")
        self.spawn("stunnel4", self.directory / "stunnel.conf")


class HAProxyClient(servers.HAProxy):
    def __init__(self, port, site, version):
        super().__init__(f"listen relay\n    bind PORT\n    server a 127.0.0.1:{port} ssl verify required ca-file {site.ca} "
                         f"sni str(site.test) verifyhost site.test ssl-min-ver TLSv{version} ssl-max-ver TLSv{version}\n")


class NginxHttp(servers.Server):
    """nginx with one server section of HTTP; PORT in the text is where it listens."""

    def __init__(self, text):
        super().__init__()
        (self.directory / "nginx.conf").write_text(
            f"daemon off; master_process off; user root; pid {self.directory}/pid; error_log {self.directory}/error.log;\n"
            f"events {{ worker_connections 100; }}\nhttp {{ access_log off; client_max_body_size 9m; {servers.nginx_temps(self.directory)}\n"
            f"server {{ {text.replace('PORT', self.address)} }} }}\n")
        self.spawn("nginx", "-e", self.directory / "error.log", "-p", self.directory, "-c", self.directory / "nginx.conf")


class NginxClient(NginxHttp):
    def __init__(self, port, site, version):
        super().__init__(f"listen PORT; location / {{ proxy_pass https://127.0.0.1:{port}; proxy_http_version 1.1; "
                         f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {site.ca}; proxy_ssl_name site.test; "
                         f"proxy_ssl_server_name on; proxy_ssl_protocols TLSv{version}; }}")


# Servers that relayd speaks TLS to


class HAProxyServer(servers.HAProxy):
    def __init__(self, target, site, version):
        super().__init__(f"listen tls\n    bind PORT ssl crt {site.file} ssl-min-ver TLSv{version} ssl-max-ver TLSv{version}\n"
                         f"    server a {target}\n")


class HitchServer(servers.Server):
    def __init__(self, target, site, version):
        super().__init__()
        host, port = target.split(":")
        self.spawn("hitch", f"--tls-protos=TLSv{version}", "-f", f"[127.0.0.1]:{self.port}", "-b", f"[{host}]:{port}", "-n", 1,
                   "-u", "root", "-g", "root", site.file)


class NginxServer(NginxHttp):
    def __init__(self, target, site, version):
        super().__init__(f"listen PORT ssl; ssl_certificate {site.file}; ssl_certificate_key {site.file}; ssl_protocols TLSv{version}; "
                         f"location / {{ proxy_pass http://{target}; proxy_http_version 1.1; }}")


class OpensslServer(servers.Server):
    """It sends each line back, reversed; CLOSE ends."""

    def __init__(self, site, options):
        super().__init__()
        self.spawn("openssl", "s_server", "-accept", self.address, "-cert", site.file, "-rev", *options)


class GnutlsServer(servers.Server):
    """It sends back what it gets."""

    def __init__(self, site, version):
        super().__init__()
        self.spawn("gnutls-serv", "--echo", "--crlf", "-p", self.port, "--x509certfile", site.file, "--x509keyfile", site.file,
                   "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}")
