"""What a function can refuse, read from its code: it and what it calls name the refusals that they raise."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from types import FunctionType, ModuleType
from typing import Any, get_args, get_type_hints

from shared.domain.guards import asked_first
from shared.domain.refusal import Refusal

OURS = ("services.", "shared.")


def refusals_of(function: Callable[..., Any]) -> frozenset[type[Refusal]]:
    """Every refusal that ``function``, its guards, or what they call of this suite's code raises or names.

    Followed are functions, methods of ``self`` and of values whose class is annotated. A refusal that a function
    catches is counted too if it is also named elsewhere.
    """
    found: set[type[Refusal]] = set()
    seen: set[Any] = set()
    waiting: list[Callable[..., Any]] = [function]
    while waiting:
        one = waiting.pop()
        waiting += asked_first(one)
        plain = inspect.unwrap(one)
        if plain in seen or not isinstance(plain, FunctionType) or not plain.__module__.startswith(OURS):
            continue
        seen.add(plain)
        for named in _named_in(plain):
            if isinstance(named, type) and issubclass(named, Refusal):
                found |= {named} - {Refusal}
            elif callable(named) and not isinstance(named, type):
                waiting.append(named)
    return frozenset(found)


@cache
def _named_in(function: FunctionType) -> tuple[Any, ...]:
    """The classes and functions of this suite that the function's body names."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except OSError:  # made at run time, such as a dataclass's __init__
        return ()
    return tuple(_Names(function).of(tree))


class _Names:
    """Resolves the names in one function's code, as far as annotations tell what they are."""

    def __init__(self, function: FunctionType) -> None:
        self._globals = function.__globals__
        self._types: dict[str, Any] = {
            name: hint for name, hint in _hints(function).items() if name != "return"
        }
        owner = _owner(function)
        if owner is not None:
            self._types.setdefault("self", owner)
            self._types.setdefault("cls", owner)

    def of(self, tree: ast.AST) -> Iterator[Any]:
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Assign)
                and len(node.targets) == 1
                and isinstance(node.targets[0], ast.Name)
            ):
                kind = self._type_of(node.value)
                if kind is not None:
                    self._types.setdefault(node.targets[0].id, kind)
        caught = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.ExceptHandler) and node.type is not None
            for part in ast.walk(node.type)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and id(node) not in caught:
                named = self._value_of(node)
                if named is not None:
                    yield named

    def _value_of(self, node: ast.expr) -> Any:
        """The function or class that an expression names, or None."""
        if isinstance(node, ast.Name):
            return self._globals.get(node.id)
        if not isinstance(node, ast.Attribute):
            return None
        on = self._value_of(node.value)
        if isinstance(on, ModuleType):
            return getattr(on, node.attr, None)
        kind = on if isinstance(on, type) else self._type_of(node.value)
        return _member(kind, node.attr)

    def _type_of(self, node: ast.expr) -> Any:
        """The class of an expression's value, as far as annotations tell."""
        if isinstance(node, ast.Name):
            return _class(self._types.get(node.id))
        if isinstance(node, ast.Attribute):
            kind = self._type_of(node.value)
            return None if kind is None else _class(_hints(kind).get(node.attr))
        if isinstance(node, ast.Call):
            called = self._value_of(node.func)
            if isinstance(called, type):
                return called
            if called is not None:
                for argument in node.args:  # load(Whistle, id) gives a Whistle
                    given = self._value_of(argument)
                    if isinstance(given, type) and not issubclass(given, BaseException):
                        return given
                return _class(_hints(called).get("return"))
        if isinstance(node, ast.BoolOp):
            return next(filter(None, map(self._type_of, node.values)), None)
        if isinstance(node, ast.IfExp):
            return self._type_of(node.body) or self._type_of(node.orelse)
        return None


def _member(kind: Any, name: str) -> Any:
    if not isinstance(kind, type):
        return None
    member = inspect.getattr_static(kind, name, None)
    if isinstance(member, staticmethod | classmethod):
        return member.__func__
    return member.fget if isinstance(member, property) else member


def _hints(of: Any) -> dict[str, Any]:
    try:
        return get_type_hints(of)
    except (NameError, TypeError, AttributeError):
        return {}


def _class(hint: Any) -> Any:
    """The one class of this suite in a hint such as ``Whistle | None``."""
    for part in (hint, *get_args(hint)):
        if isinstance(part, type) and part.__module__.startswith(OURS):
            return part
    return None


def _owner(function: FunctionType) -> Any:
    path = function.__qualname__.split(".")
    found: Any = inspect.getmodule(function)
    for name in path[:-1]:
        found = getattr(found, name, None)
    return found if isinstance(found, type) else None
