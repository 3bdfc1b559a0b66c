"""What a database still holds of rows that were deleted, taken away as far as it can be."""

from __future__ import annotations

from sqlalchemy import Engine, text

from cardiofusion.serve.store.database import BUSY_SECONDS, database_errors, outside_transactions

PATIENCE_SECONDS = 2  # for readers of an older state, such as a backup: writers wait meanwhile
TOUCHED = ("outcome", "case_file", "ecg_case", "patient", "batch")  # by deleting a case


def wipe(engine: Engine) -> bool:
    """Take away what is left of deleted rows; False where somebody still reads an older state.

    SQLite overwrites deleted rows (secure_delete); what its write-ahead log holds of them goes when the log
    is emptied. PostgreSQL's VACUUM frees their place for new rows; old bytes stay in its files until then.
    """
    with database_errors(), outside_transactions(engine).connect() as connection:
        if engine.dialect.name != "sqlite":
            connection.execute(text(f"VACUUM (INDEX_CLEANUP ON) {', '.join(TOUCHED)}"))
            return True
        connection.execute(text(f"PRAGMA busy_timeout = {PATIENCE_SECONDS * 1000}"))
        try:
            busy = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()[0]
        finally:
            connection.execute(text(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}"))
        return not busy
