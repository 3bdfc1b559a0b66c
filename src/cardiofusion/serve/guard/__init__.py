"""Who may do what on a server: the guard around the app, accounts, sessions, connections."""

from cardiofusion.serve.guard.accounts import Accounts, Person
from cardiofusion.serve.guard.actor import ROLES, Actor, Permission, require
from cardiofusion.serve.guard.chain import guarded
from cardiofusion.serve.guard.connections import server_config
from cardiofusion.serve.guard.launch import (
    address,
    launch_address,
    new_token,
    remove_launch_files,
    write_launch_files,
)
from cardiofusion.serve.guard.signin import router

__all__ = [
    "ROLES",
    "Accounts",
    "Actor",
    "Permission",
    "Person",
    "address",
    "guarded",
    "launch_address",
    "new_token",
    "remove_launch_files",
    "require",
    "router",
    "server_config",
    "write_launch_files",
]
