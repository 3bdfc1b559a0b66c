"""What a clinic keeps, on SQLite or PostgreSQL."""

from cardiofusion.serve.store.store import Answered, Search, Store, unpack

__all__ = ["Answered", "Search", "Store", "unpack"]
