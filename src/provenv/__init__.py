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
    from provenv.cli.serving import cluster as cluster
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
    from provenv.workspace.assuring.mending import FixProposal as FixProposal
    from provenv.workspace.assuring.mending import accept_fix as accept_fix
    from provenv.workspace.assuring.mending import propose_fix as propose_fix
    from provenv.workspace.assuring.sboms import SbomResult as SbomResult
    from provenv.workspace.assuring.sboms import sbom as sbom
    from provenv.workspace.assuring.stepping import Upgrade as Upgrade
    from provenv.workspace.assuring.stepping import accept_upgrade as accept_upgrade
    from provenv.workspace.assuring.stepping import plan_upgrade as plan_upgrade
    from provenv.workspace.examining.doctor import DoctorResult as DoctorResult
    from provenv.workspace.examining.doctor import diagnose as diagnose
    from provenv.workspace.examining.isolation import IsolationResult as IsolationResult
    from provenv.workspace.examining.isolation import isolation as isolation
    from provenv.workspace.exchange.exporting import ExportResult as ExportResult
    from provenv.workspace.exchange.exporting import export as export
    from provenv.workspace.exchange.importing import ImportResult as ImportResult
    from provenv.workspace.exchange.importing import import_files as import_files
    from provenv.workspace.exchange.new import NewResult as NewResult
    from provenv.workspace.exchange.new import new as new
    from provenv.workspace.exchange.pipelines import write_pipeline as write_pipeline
    from provenv.workspace.exchange.publishing import BuildResult as BuildResult
    from provenv.workspace.exchange.publishing import PublishResult as PublishResult
    from provenv.workspace.exchange.publishing import build as build
    from provenv.workspace.exchange.publishing import publish as publish
    from provenv.workspace.host.installing import PythonInstalled as PythonInstalled
    from provenv.workspace.host.installing import PythonRemoved as PythonRemoved
    from provenv.workspace.host.installing import install_pythons as install_pythons
    from provenv.workspace.host.installing import uninstall_pythons as uninstall_pythons
    from provenv.workspace.host.pinning import PinResult as PinResult
    from provenv.workspace.host.pinning import pin_python as pin_python
    from provenv.workspace.host.pinning import unpin_python as unpin_python
    from provenv.workspace.host.pythons import PythonList as PythonList
    from provenv.workspace.host.pythons import find_python as find_python
    from provenv.workspace.host.pythons import list_pythons as list_pythons
    from provenv.workspace.named.creating import CreateResult as CreateResult
    from provenv.workspace.named.creating import WantedEnvironment as WantedEnvironment
    from provenv.workspace.named.creating import create_environment as create_environment
    from provenv.workspace.named.creating import (
        create_environment_outside as create_environment_outside,
    )
    from provenv.workspace.named.inventory import Inventory as Inventory
    from provenv.workspace.named.inventory import Listed as Listed
    from provenv.workspace.named.inventory import list_environments as list_environments
    from provenv.workspace.named.opening import CopyResult as CopyResult
    from provenv.workspace.named.opening import discard_edits as discard_edits
    from provenv.workspace.named.opening import edit_package as edit_package
    from provenv.workspace.named.patches import PatchResult as PatchResult
    from provenv.workspace.named.patches import patch as patch
    from provenv.workspace.named.pruning import Leftover as Leftover
    from provenv.workspace.named.pruning import PruneResult as PruneResult
    from provenv.workspace.named.pruning import find_leftovers as find_leftovers
    from provenv.workspace.named.pruning import prune as prune
    from provenv.workspace.named.removing import RemoveResult as RemoveResult
    from provenv.workspace.named.removing import remove_environment as remove_environment
    from provenv.workspace.operations.reading import LoggedOperation as LoggedOperation
    from provenv.workspace.operations.reading import LogResult as LogResult
    from provenv.workspace.operations.reading import log as log
    from provenv.workspace.projects.context import Context as Context
    from provenv.workspace.projects.context import Project as Project
    from provenv.workspace.projects.context import open_member as open_member
    from provenv.workspace.projects.context import open_project as open_project
    from provenv.workspace.projects.trust import Trusted as Trusted
    from provenv.workspace.projects.trust import allow as allow
    from provenv.workspace.projects.trust import allowed_folders as allowed_folders
    from provenv.workspace.projects.trust import disallow as disallow
    from provenv.workspace.proving.collection import GcResult as GcResult
    from provenv.workspace.proving.collection import StoreSize as StoreSize
    from provenv.workspace.proving.collection import Waiting as Waiting
    from provenv.workspace.proving.collection import gc as gc
    from provenv.workspace.proving.copies import PrivateCopy as PrivateCopy
    from provenv.workspace.proving.repair import Repaired as Repaired
    from provenv.workspace.proving.repair import RepairedEnvironment as RepairedEnvironment
    from provenv.workspace.proving.repair import RepairResult as RepairResult
    from provenv.workspace.proving.repair import repair as repair
    from provenv.workspace.proving.storage import Storage as Storage
    from provenv.workspace.proving.storage import StoredItem as StoredItem
    from provenv.workspace.proving.storage import list_store as list_store
    from provenv.workspace.proving.storage import look_into_store as look_into_store
    from provenv.workspace.proving.verification import VerifyResult as VerifyResult
    from provenv.workspace.proving.verification import verify as verify
    from provenv.workspace.run import environment_for as environment_for
    from provenv.workspace.run import start as start
    from provenv.workspace.syncing.comparing import CompareResult as CompareResult
    from provenv.workspace.syncing.comparing import compare_environments as compare_environments
    from provenv.workspace.syncing.edit import EditResult as EditResult
    from provenv.workspace.syncing.edit import InitResult as InitResult
    from provenv.workspace.syncing.edit import add as add
    from provenv.workspace.syncing.edit import init as init
    from provenv.workspace.syncing.edit import remove as remove
    from provenv.workspace.syncing.history import DiffResult as DiffResult
    from provenv.workspace.syncing.history import HistoryEntry as HistoryEntry
    from provenv.workspace.syncing.history import RollbackResult as RollbackResult
    from provenv.workspace.syncing.history import diff as diff
    from provenv.workspace.syncing.history import history as history
    from provenv.workspace.syncing.history import rollback as rollback
    from provenv.workspace.syncing.inspection import StatusResult as StatusResult
    from provenv.workspace.syncing.inspection import WhyResult as WhyResult
    from provenv.workspace.syncing.inspection import outdated as outdated
    from provenv.workspace.syncing.inspection import project_graph as project_graph
    from provenv.workspace.syncing.inspection import status as status
    from provenv.workspace.syncing.inspection import why as why
    from provenv.workspace.syncing.lagging import LagResult as LagResult
    from provenv.workspace.syncing.lagging import outdated_by_policy as outdated_by_policy
    from provenv.workspace.syncing.locking import LockResult as LockResult
    from provenv.workspace.syncing.locking import lock as lock
    from provenv.workspace.syncing.sync import SyncResult as SyncResult
    from provenv.workspace.syncing.sync import sync as sync
    from provenv.workspace.syncing.upgrading import PythonMove as PythonMove
    from provenv.workspace.syncing.upgrading import upgrade_pythons as upgrade_pythons
    from provenv.workspace.testing.ahead import AheadReport as AheadReport
    from provenv.workspace.testing.ahead import look_ahead as look_ahead
    from provenv.workspace.testing.bisecting import bisect as bisect
    from provenv.workspace.testing.bisecting import bisect_on as bisect_on
    from provenv.workspace.testing.bounds import BoundsReport as BoundsReport
    from provenv.workspace.testing.bounds import find_bounds as find_bounds
    from provenv.workspace.testing.culprits import BisectResult as BisectResult
    from provenv.workspace.testing.culprits import Breakage as Breakage
    from provenv.workspace.testing.culprits import Culprit as Culprit
    from provenv.workspace.testing.matrix import MatrixReport as MatrixReport
    from provenv.workspace.testing.matrix import MatrixRequest as MatrixRequest
    from provenv.workspace.testing.matrix import choose_cells as choose_cells
    from provenv.workspace.testing.matrix import run_matrix as run_matrix
    from provenv.workspace.testing.trail import BisectTask as BisectTask

__version__ = "0.1.0"

_ERRORS = (
    "BuildError", "CheckFailedError", "DiskError", "ForeignError", "InputError", "IntegrityError",
    "NetworkError", "ProvenvError", "UndecidedError", "UnsatisfiableError", "UsageError",
)  # fmt: skip
_ROOMS = {
    "provenv.cli.serving": ("cluster",),
    "provenv.cli.world": ("make_context",),
    "provenv.core.errors": _ERRORS,
    "provenv.core.events": ("Emit", "Event", "silent"),
    "provenv.model.finding": ("Finding", "Place"),
    "provenv.model.generation": ("Change", "Generation"),
    "provenv.workspace.assuring.sboms": ("SbomResult", "sbom"),
    "provenv.workspace.syncing.comparing": ("CompareResult", "compare_environments"),
    "provenv.workspace.projects.context": ("Context", "Project", "open_member", "open_project"),
    "provenv.workspace.proving.copies": ("PrivateCopy",),
    "provenv.workspace.named.creating": (
        "CreateResult", "WantedEnvironment", "create_environment", "create_environment_outside",
    ),
    "provenv.workspace.assuring.mending": ("FixProposal", "accept_fix", "propose_fix"),
    "provenv.workspace.assuring.stepping": ("Upgrade", "accept_upgrade", "plan_upgrade"),
    "provenv.workspace.examining.doctor": ("DoctorResult", "diagnose"),
    "provenv.workspace.syncing.edit": ("EditResult", "InitResult", "add", "init", "remove"),
    "provenv.workspace.exchange.exporting": ("ExportResult", "export"),
    "provenv.workspace.syncing.history": (
        "DiffResult", "HistoryEntry", "RollbackResult", "diff", "history", "rollback",
    ),
    "provenv.workspace.exchange.importing": ("ImportResult", "import_files"),
    "provenv.workspace.syncing.inspection": (
        "StatusResult", "WhyResult", "outdated", "project_graph", "status", "why",
    ),
    "provenv.workspace.named.inventory": ("Inventory", "Listed", "list_environments"),
    "provenv.workspace.host.installing": (
        "PythonInstalled", "PythonRemoved", "install_pythons", "uninstall_pythons",
    ),
    "provenv.workspace.examining.isolation": ("IsolationResult", "isolation"),
    "provenv.workspace.syncing.lagging": ("LagResult", "outdated_by_policy"),
    "provenv.workspace.syncing.locking": ("LockResult", "lock"),
    "provenv.workspace.named.opening": ("CopyResult", "discard_edits", "edit_package"),
    "provenv.workspace.named.patches": ("PatchResult", "patch"),
    "provenv.workspace.named.pruning": ("Leftover", "PruneResult", "find_leftovers", "prune"),
    "provenv.workspace.exchange.new": ("NewResult", "new"),
    "provenv.workspace.host.pinning": ("PinResult", "pin_python", "unpin_python"),
    "provenv.workspace.exchange.pipelines": ("write_pipeline",),
    "provenv.workspace.exchange.publishing": ("BuildResult", "PublishResult", "build", "publish"),
    "provenv.workspace.host.pythons": ("PythonList", "find_python", "list_pythons"),
    "provenv.workspace.named.removing": ("RemoveResult", "remove_environment"),
    "provenv.workspace.operations.reading": ("LogResult", "LoggedOperation", "log"),
    "provenv.workspace.proving.repair": (
        "RepairResult", "Repaired", "RepairedEnvironment", "repair",
    ),
    "provenv.workspace.run": ("environment_for", "start"),
    "provenv.workspace.proving.collection": ("GcResult", "StoreSize", "Waiting", "gc"),
    "provenv.workspace.proving.storage": ("Storage", "StoredItem", "list_store", "look_into_store"),
    "provenv.workspace.testing.ahead": ("AheadReport", "look_ahead"),
    "provenv.workspace.testing.bounds": ("BoundsReport", "find_bounds"),
    "provenv.workspace.testing.matrix": (
        "MatrixReport", "MatrixRequest", "choose_cells", "run_matrix",
    ),
    "provenv.workspace.syncing.sync": ("SyncResult", "sync"),
    "provenv.workspace.projects.trust": ("Trusted", "allow", "allowed_folders", "disallow"),
    "provenv.workspace.syncing.upgrading": ("PythonMove", "upgrade_pythons"),
    "provenv.workspace.proving.verification": ("VerifyResult", "verify"),
    "provenv.workspace.testing.bisecting": ("bisect", "bisect_on"),
    "provenv.workspace.testing.culprits": ("BisectResult", "Breakage", "Culprit"),
    "provenv.workspace.testing.trail": ("BisectTask",),
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
