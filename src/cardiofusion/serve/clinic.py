"""Everything one server holds, opened and closed together."""

from __future__ import annotations

from dataclasses import dataclass

from cardiofusion.records import ClinicalSchema
from cardiofusion.runtime import System
from cardiofusion.serve.audit import Audit
from cardiofusion.serve.desk import Desk
from cardiofusion.serve.guard import Accounts, new_token
from cardiofusion.serve.settings import Settings
from cardiofusion.serve.store import Store


@dataclass(frozen=True)
class Clinic:
    """token: of this start, for the one user of a server that is not shared. columns: what a row may hold."""

    settings: Settings
    system: System
    store: Store
    desk: Desk
    audit: Audit
    accounts: Accounts
    token: str
    columns: ClinicalSchema

    @classmethod
    def open(cls, settings: Settings) -> Clinic:
        """Load the bundle, open the store and take up what waits.

        Raises BundleError, StorageError, InputError.
        """
        system = System.load(settings.bundle)
        store = Store(settings.data, settings.database_url)
        store.tidy()
        desk = Desk(system, store, settings.workers)
        desk.take_up()
        return cls(
            settings=settings,
            system=system,
            store=store,
            desk=desk,
            audit=Audit(store.engine),
            accounts=Accounts(store.engine),
            token=new_token(),
            columns=system.columns,
        )

    def close(self) -> None:
        """Finish what has begun; everything else waits on the disk."""
        self.desk.close()
        self.store.close()
