"""The HTTP API: FastAPI over the shelf, the ledger, the runs and the prices.

One file a concern: who may ask (``keys``, ``sessions``, ``guard``), how much
(``limits``), what every answer carries (``headers``, ``problems``), what is written
down (``logs``, ``metrics``), and in ``routes`` one file a noun. It is imported by
``closecast serve`` alone: the extra ``serve`` holds what it needs.
"""
