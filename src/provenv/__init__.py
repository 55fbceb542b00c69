"""provenv: Python environments you can prove.

The command line's verbs as a typed Python API. Everything is imported when it is first used, prints
nothing, and reads neither environment variables nor the working directory by itself:

    import os, provenv

    context = provenv.make_context(os.environ)
    project = provenv.open_project("path/to/project")
    result = provenv.sync(project, context, environment="prod", locked_only=True)
"""

TYPE_CHECKING = False  # `typing` costs 5 ms to import
if TYPE_CHECKING:
    from provenv.cli.world import make_context as make_context
    from provenv.core.errors import BuildError as BuildError
    from provenv.core.errors import CheckFailedError as CheckFailedError
    from provenv.core.errors import DiskError as DiskError
    from provenv.core.errors import ForeignError as ForeignError
    from provenv.core.errors import InputError as InputError
    from provenv.core.errors import IntegrityError as IntegrityError
    from provenv.core.errors import NetworkError as NetworkError
    from provenv.core.errors import ProvenvError as ProvenvError
    from provenv.core.errors import UndecidedError as UndecidedError
    from provenv.core.errors import UnsatisfiableError as UnsatisfiableError
    from provenv.core.errors import UsageError as UsageError
    from provenv.core.events import Emit as Emit
    from provenv.core.events import Event as Event
    from provenv.core.events import silent as silent
    from provenv.model.finding import Finding as Finding
    from provenv.model.finding import Place as Place
    from provenv.model.generation import Change as Change
    from provenv.model.generation import Generation as Generation
    from provenv.workspace.comparing import CompareResult as CompareResult
    from provenv.workspace.comparing import compare_environments as compare_environments
    from provenv.workspace.context import Context as Context
    from provenv.workspace.context import Project as Project
    from provenv.workspace.context import open_member as open_member
    from provenv.workspace.context import open_project as open_project
    from provenv.workspace.copies import PrivateCopy as PrivateCopy
    from provenv.workspace.creating import CreateResult as CreateResult
    from provenv.workspace.creating import WantedEnvironment as WantedEnvironment
    from provenv.workspace.creating import create_environment as create_environment
    from provenv.workspace.creating import create_environment_outside as create_environment_outside
    from provenv.workspace.doctor import DoctorResult as DoctorResult
    from provenv.workspace.doctor import diagnose as diagnose
    from provenv.workspace.edit import EditResult as EditResult
    from provenv.workspace.edit import InitResult as InitResult
    from provenv.workspace.edit import add as add
    from provenv.workspace.edit import init as init
    from provenv.workspace.edit import remove as remove
    from provenv.workspace.exporting import ExportResult as ExportResult
    from provenv.workspace.exporting import export as export
    from provenv.workspace.history import DiffResult as DiffResult
    from provenv.workspace.history import HistoryEntry as HistoryEntry
    from provenv.workspace.history import RollbackResult as RollbackResult
    from provenv.workspace.history import diff as diff
    from provenv.workspace.history import history as history
    from provenv.workspace.history import rollback as rollback
    from provenv.workspace.importing import ImportResult as ImportResult
    from provenv.workspace.importing import import_files as import_files
    from provenv.workspace.inspection import StatusResult as StatusResult
    from provenv.workspace.inspection import WhyResult as WhyResult
    from provenv.workspace.inspection import outdated as outdated
    from provenv.workspace.inspection import project_graph as project_graph
    from provenv.workspace.inspection import status as status
    from provenv.workspace.inspection import why as why
    from provenv.workspace.installing import PythonInstalled as PythonInstalled
    from provenv.workspace.installing import PythonRemoved as PythonRemoved
    from provenv.workspace.installing import install_pythons as install_pythons
    from provenv.workspace.installing import uninstall_pythons as uninstall_pythons
    from provenv.workspace.inventory import Inventory as Inventory
    from provenv.workspace.inventory import Listed as Listed
    from provenv.workspace.inventory import list_environments as list_environments
    from provenv.workspace.isolation import IsolationResult as IsolationResult
    from provenv.workspace.isolation import isolation as isolation
    from provenv.workspace.locking import LockResult as LockResult
    from provenv.workspace.locking import lock as lock
    from provenv.workspace.new import NewResult as NewResult
    from provenv.workspace.new import new as new
    from provenv.workspace.opening import CopyResult as CopyResult
    from provenv.workspace.opening import discard_edits as discard_edits
    from provenv.workspace.opening import edit_package as edit_package
    from provenv.workspace.patches import PatchResult as PatchResult
    from provenv.workspace.patches import patch as patch
    from provenv.workspace.pinning import PinResult as PinResult
    from provenv.workspace.pinning import pin_python as pin_python
    from provenv.workspace.pinning import unpin_python as unpin_python
    from provenv.workspace.pipelines import write_pipeline as write_pipeline
    from provenv.workspace.pruning import Leftover as Leftover
    from provenv.workspace.pruning import PruneResult as PruneResult
    from provenv.workspace.pruning import find_leftovers as find_leftovers
    from provenv.workspace.pruning import prune as prune
    from provenv.workspace.publishing import BuildResult as BuildResult
    from provenv.workspace.publishing import PublishResult as PublishResult
    from provenv.workspace.publishing import build as build
    from provenv.workspace.publishing import publish as publish
    from provenv.workspace.pythons import PythonList as PythonList
    from provenv.workspace.pythons import find_python as find_python
    from provenv.workspace.pythons import list_pythons as list_pythons
    from provenv.workspace.removing import RemoveResult as RemoveResult
    from provenv.workspace.removing import remove_environment as remove_environment
    from provenv.workspace.repair import Repaired as Repaired
    from provenv.workspace.repair import RepairResult as RepairResult
    from provenv.workspace.repair import repair as repair
    from provenv.workspace.run import environment_for as environment_for
    from provenv.workspace.run import start as start
    from provenv.workspace.storage import GcResult as GcResult
    from provenv.workspace.storage import StoredItem as StoredItem
    from provenv.workspace.storage import gc as gc
    from provenv.workspace.storage import list_store as list_store
    from provenv.workspace.sync import SyncResult as SyncResult
    from provenv.workspace.sync import sync as sync
    from provenv.workspace.trust import Trusted as Trusted
    from provenv.workspace.trust import allow as allow
    from provenv.workspace.trust import allowed_folders as allowed_folders
    from provenv.workspace.trust import disallow as disallow
    from provenv.workspace.upgrading import PythonMove as PythonMove
    from provenv.workspace.upgrading import upgrade_pythons as upgrade_pythons
    from provenv.workspace.verification import VerifyResult as VerifyResult
    from provenv.workspace.verification import verify as verify

__version__ = "0.1.0"

_ERRORS = (
    "BuildError", "CheckFailedError", "DiskError", "ForeignError", "InputError", "IntegrityError",
    "NetworkError", "ProvenvError", "UndecidedError", "UnsatisfiableError", "UsageError",
)  # fmt: skip
_ROOMS = {
    "provenv.cli.world": ("make_context",),
    "provenv.core.errors": _ERRORS,
    "provenv.core.events": ("Emit", "Event", "silent"),
    "provenv.model.finding": ("Finding", "Place"),
    "provenv.model.generation": ("Change", "Generation"),
    "provenv.workspace.comparing": ("CompareResult", "compare_environments"),
    "provenv.workspace.context": ("Context", "Project", "open_member", "open_project"),
    "provenv.workspace.copies": ("PrivateCopy",),
    "provenv.workspace.creating": (
        "CreateResult", "WantedEnvironment", "create_environment", "create_environment_outside",
    ),
    "provenv.workspace.doctor": ("DoctorResult", "diagnose"),
    "provenv.workspace.edit": ("EditResult", "InitResult", "add", "init", "remove"),
    "provenv.workspace.exporting": ("ExportResult", "export"),
    "provenv.workspace.history": (
        "DiffResult", "HistoryEntry", "RollbackResult", "diff", "history", "rollback",
    ),
    "provenv.workspace.importing": ("ImportResult", "import_files"),
    "provenv.workspace.inspection": (
        "StatusResult", "WhyResult", "outdated", "project_graph", "status", "why",
    ),
    "provenv.workspace.inventory": ("Inventory", "Listed", "list_environments"),
    "provenv.workspace.installing": (
        "PythonInstalled", "PythonRemoved", "install_pythons", "uninstall_pythons",
    ),
    "provenv.workspace.isolation": ("IsolationResult", "isolation"),
    "provenv.workspace.locking": ("LockResult", "lock"),
    "provenv.workspace.opening": ("CopyResult", "discard_edits", "edit_package"),
    "provenv.workspace.patches": ("PatchResult", "patch"),
    "provenv.workspace.pruning": ("Leftover", "PruneResult", "find_leftovers", "prune"),
    "provenv.workspace.new": ("NewResult", "new"),
    "provenv.workspace.pinning": ("PinResult", "pin_python", "unpin_python"),
    "provenv.workspace.pipelines": ("write_pipeline",),
    "provenv.workspace.publishing": ("BuildResult", "PublishResult", "build", "publish"),
    "provenv.workspace.pythons": ("PythonList", "find_python", "list_pythons"),
    "provenv.workspace.removing": ("RemoveResult", "remove_environment"),
    "provenv.workspace.repair": ("RepairResult", "Repaired", "repair"),
    "provenv.workspace.run": ("environment_for", "start"),
    "provenv.workspace.storage": ("GcResult", "StoredItem", "gc", "list_store"),
    "provenv.workspace.sync": ("SyncResult", "sync"),
    "provenv.workspace.trust": ("Trusted", "allow", "allowed_folders", "disallow"),
    "provenv.workspace.upgrading": ("PythonMove", "upgrade_pythons"),
    "provenv.workspace.verification": ("VerifyResult", "verify"),
}  # fmt: skip
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = ["__version__", *sorted(_HOMES)]  # computed, and held to the list above


def __getattr__(name: str) -> object:
    """Import a name of the API when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'provenv' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
