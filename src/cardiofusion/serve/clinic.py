"""Everything one server holds, opened and closed together."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cardiofusion.records import ClinicalSchema
from cardiofusion.runtime import System
from cardiofusion.serve.desk import Desk
from cardiofusion.serve.settings import Settings
from cardiofusion.serve.store import Store

if TYPE_CHECKING:
    from cardiofusion.serve.audit import Audit


@dataclass(frozen=True)
class Clinic:
    """token: of this start, for the one user of a server that is not shared. columns: what a row may hold."""

    settings: Settings
    system: System
    store: Store
    desk: Desk
    audit: Audit
    token: str
    columns: ClinicalSchema

    @classmethod
    def open(cls, settings: Settings) -> Clinic:
        """Load the bundle, open the store and take up what waits. Raises BundleError, StorageError, InputError."""
        from cardiofusion.serve.audit import Audit

        system = System.load(settings.bundle)
        store = Store(settings.data, settings.database_url)
        store.originals.clear_incoming()
        desk = Desk(system, store, settings.workers)
        desk.take_up()
        return cls(
            settings=settings,
            system=system,
            store=store,
            desk=desk,
            audit=Audit(store.engine),
            token=secrets.token_urlsafe(32),
            columns=system.columns,
        )

    def close(self) -> None:
        """Finish what has begun; everything else waits on the disk."""
        self.desk.close()
        self.store.close()
