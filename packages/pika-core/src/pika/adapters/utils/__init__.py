"""Paths of pika 1.x for what adapters are made with."""
