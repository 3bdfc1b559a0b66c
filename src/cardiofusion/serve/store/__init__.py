"""What a clinic keeps, on SQLite or PostgreSQL."""

from cardiofusion.serve.store.searching import Search
from cardiofusion.serve.store.store import Answered, Store, unpack

__all__ = ["Answered", "Search", "Store", "unpack"]
