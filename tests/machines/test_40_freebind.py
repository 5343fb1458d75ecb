"""An address that goes from one machine to the other, whoever moves it."""

from network import ADDRESS, names, through

TEXT = f"""
listener web {{
    address = "{ADDRESS}:80"
    upstream = app
    ip_freebind = true
}}
upstream app {{
    server a {{ address = "10.77.0.1:8000" }}
}}
"""


def test_who_gets_the_address_serves_it_at_once(pair):
    pair.origin(names, 8000)
    pair.start(TEXT)
    for giver, taker in ((None, pair.a), (pair.a, pair.b), (pair.b, pair.a)):
        assert not taker.has(ADDRESS)
        if giver:
            giver.ip("address", "del", f"{ADDRESS}/16", "dev", "eth0")
        taker.ip("address", "add", f"{ADDRESS}/16", "dev", "eth0")
        pair.client.ip("neigh", "flush", "dev", "eth0")   # what keepalived tells by ARP
        with pair.connect(ADDRESS) as peer:
            assert through(peer) == taker.address
