"""Values: what ``dataclasses`` makes of a class with slots, defined in a fraction of its time.

``dataclasses`` compiles several methods for each class as soon as it is defined: half a millisecond,
and a command defines about eighty classes. Here all classes share methods that are written once; only
``__init__`` is compiled, when the first instance is made, so that making one costs what it costs there.

To type checkers both are data classes (PEP 681).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, dataclass_transform

_T = TypeVar("_T")


class _Missing:
    __slots__ = ()


_MISSING = _Missing()


class _Field:
    """What a class says of one field besides its type."""

    __slots__ = ("compared", "default", "factory", "shown")

    def __init__(
        self,
        default: object,
        factory: Callable[[], Any] | None = None,
        *,
        shown: bool = True,
        compared: bool = True,
    ) -> None:
        self.default = default
        self.factory = factory
        self.shown = shown
        self.compared = compared


def field(
    *,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] | None = None,
    repr: bool = True,  # noqa: A002  # the names that PEP 681 knows
    compare: bool = True,
) -> Any:
    """A field with a default that is made for each instance, or that ``repr`` or equality leave out."""
    return _Field(default, default_factory, shown=repr, compared=compare)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(cls: type[_T]) -> type[_T]:
    """A class of values that never change: made by keywords, equal and hashed by all fields.

    Fields are its annotations, after those of its bases. :func:`replace` makes changed copies. Methods must
    not use ``super()`` without arguments: a class with slots has to be made anew.
    """
    return _made(cls, {**_SHARED, **_FROZEN}, star="*, ")


@dataclass_transform(field_specifiers=(field,))
def mutable(cls: type[_T]) -> type[_T]:
    """A class of records that are filled bit by bit: made by position or keyword, equal by all fields."""
    return _made(cls, _SHARED, star="")


def _made(cls: type[_T], methods: dict[str, Any], star: str) -> type[_T]:
    inherited: dict[str, _Field] = {}
    for base in reversed(cls.__mro__[1:]):
        inherited |= base.__dict__.get("__value_fields__", {})
    namespace = {k: v for k, v in cls.__dict__.items() if k not in ("__dict__", "__weakref__")}
    own: dict[str, _Field] = {}
    for name in cls.__annotations__:  # its own alone: classes do not inherit them
        said = namespace.pop(name, _MISSING)
        own[name] = said if isinstance(said, _Field) else _Field(said)
    for name, method in methods.items():
        namespace.setdefault(name, method)
    namespace["__slots__"] = tuple(name for name in own if name not in inherited)
    namespace["__value_fields__"] = {**inherited, **own}
    namespace["__value_star__"] = star
    made: type[_T] = type.__new__(type(cls), cls.__name__, cls.__bases__, namespace)
    return made


def replace(instance: _T, /, **changes: Any) -> _T:
    """A copy with other values in some fields; also of a data class of somebody else.

    Raises:
        TypeError: It has no such field.
    """
    cls: Any = type(instance)
    if not hasattr(cls, "__value_fields__"):
        import dataclasses  # who has an instance of one has loaded it

        other: Any = instance
        copy: _T = dataclasses.replace(other, **changes)
        return copy
    made: _T = cls(**{**as_dict(instance), **changes})
    return made


def field_names(cls: Any) -> tuple[str, ...]:
    """The names of a value's fields, in order."""
    return tuple(cls.__value_fields__)


def as_dict(instance: object) -> dict[str, Any]:
    """The fields of a value by name; what they hold stays as it is."""
    return {name: getattr(instance, name) for name in field_names(type(instance))}


def _first_init(self: object, /, *given: Any, **named: Any) -> None:
    """Stands for ``__init__`` until the first instance is made."""
    owner: Any = next(c for c in type(self).__mro__ if "__value_fields__" in c.__dict__)
    if (
        owner.__init__ is _first_init
    ):  # else another thread was first, between this call and its lookup
        owner.__init__ = _compiled(owner)
    owner.__init__(self, *given, **named)


def _compiled(cls: Any) -> Callable[..., None]:
    """The ``__init__`` of a class, as one would write it."""
    scope: dict[str, Any] = {"_set": object.__setattr__, "_missing": _MISSING}
    arguments: list[str] = []
    lines: list[str] = []
    for name, one in cls.__value_fields__.items():
        taken = name
        if one.factory is not None:
            scope[f"_make_{name}"] = one.factory
            arguments.append(f"{name}=_missing")
            taken = f"_make_{name}() if {name} is _missing else {name}"
        elif one.default is _MISSING:
            arguments.append(name)
        else:
            scope[f"_default_{name}"] = one.default
            arguments.append(f"{name}=_default_{name}")
        lines.append(f" _set(self, {name!r}, {taken})")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    star = cls.__value_star__ if arguments else ""
    head = f"def __init__(self, {star}{', '.join(arguments)}):"
    exec("\n".join((head, *(lines or [" pass"]))), scope)  # noqa: S102  # names of our own classes
    made: Callable[..., None] = scope["__init__"]
    return made


def _held(self: object) -> tuple[object, ...]:
    return tuple(getattr(self, name) for name in field_names(type(self)))


def _compared(self: Any) -> tuple[object, ...]:
    fields = type(self).__value_fields__.items()
    return tuple(getattr(self, name) for name, one in fields if one.compared)


def _eq(self: object, other: object) -> bool:
    return _compared(self) == _compared(other) if type(other) is type(self) else NotImplemented


def _hash(self: object) -> int:
    return hash(_compared(self))


def _repr(self: Any) -> str:
    fields = type(self).__value_fields__.items()
    shown = [f"{name}={getattr(self, name)!r}" for name, one in fields if one.shown]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse(self: object, name: str, held: object = None) -> NoReturn:
    del held
    raise AttributeError(f"{type(self).__qualname__} is frozen: {name} cannot be changed")


def _reduce(self: object) -> tuple[object, ...]:
    return _restored, (type(self), _held(self))


def _restored(cls: Any, held: tuple[object, ...]) -> object:
    """What was pickled, made anew."""
    made: object = object.__new__(cls)
    for name, one in zip(field_names(cls), held, strict=True):
        object.__setattr__(made, name, one)
    return made


_SHARED: dict[str, Any] = {
    "__init__": _first_init, "__eq__": _eq, "__repr__": _repr, "__reduce__": _reduce, "__hash__": None,
}  # fmt: skip
_FROZEN: dict[str, Any] = {"__hash__": _hash, "__setattr__": _refuse, "__delattr__": _refuse}
