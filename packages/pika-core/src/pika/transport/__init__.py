"""The toolkit for adapters: the order of endpoints, TLS without I/O, a non-blocking stream.

Rule: only adapters import it, since it imports `socket` and `ssl`; the rest of `pika` does no I/O.
"""
