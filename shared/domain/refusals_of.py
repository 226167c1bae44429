"""What a function can refuse, read from its code: it and what it calls name the refusals that they raise."""

import ast
import inspect
import linecache
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property, partial
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple, TypeVar, get_args

from shared.domain.guards import asked_first
from shared.domain.refusal import Refusal

OURS = ("services.", "shared.")
Kinds = frozenset[Any]
"""The classes of this suite that a value may be of, or hold."""


RECKONED = ("shared.rulebook.", "shared.calendar.Calendar.", "shared.calendar.due.")
"""Not followed: the rulebook, the released calendar, and the reckoning of due dates by both.

What they refuse is wrong in a rulebook or a release, which were checked when they came into force: no request can cause
it. A decision that does refuse by their rules, as that a clock may not be paused, names the refusal itself.
"""


def refusals_of(function: Callable[..., Any], on: Any = None) -> frozenset[type[Refusal]]:
    """Every refusal that ``function``, its guards, or what they call of this suite's code raises or names.

    ``on``: the class whose method it is, if that is not the one that defines it. Followed are functions, classes that
    are made, tables of them, and methods and properties of values whose class is annotated or follows from an
    assignment. A refusal that one function raises and another catches is counted.
    """
    found: set[type[Refusal]] = set()
    seen: set[_Called] = set()
    waiting = [*_called(function, on)]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        for check in asked_first(one.function):
            waiting += _called(check, None)
        for named, receiver in _named_in(inspect.unwrap(one.function), one.on):
            if isinstance(named, type) and issubclass(named, Refusal):
                found |= {named} - {Refusal}
            else:
                waiting += _called(named, receiver)
    return frozenset(found)


class _Called(NamedTuple):
    """A function, and the class whose method it is."""

    function: FunctionType
    on: Any


def _called(value: Any, on: Any) -> Iterator[_Called]:
    """The functions of this suite that run when the value is called, read, or looked up in."""
    match value:
        case staticmethod() | classmethod() | MethodType():
            yield from _called(value.__func__, on)
        case property():
            yield from _called(value.fget, on)
        case partial() | cached_property():
            yield from _called(value.func, on)
        case type():
            for name in ("__new__", "__init__", "__post_init__"):
                yield from _called(inspect.getattr_static(value, name, None), value)
        case Mapping():
            yield from _called(tuple(value.values()), on)
        case tuple() | list() | set() | frozenset():
            for one in value:
                yield from _called(one, on)
        case _ if callable(value):
            plain = inspect.unwrap(value)
            if isinstance(plain, FunctionType):
                name = f"{plain.__module__}.{plain.__qualname__}"
                if name.startswith(OURS) and not name.startswith(RECKONED):
                    yield _Called(value, on)


# -- the code -----------------------------------------------------------------------------------------------------


@cache
def _nodes(path: str) -> Mapping[tuple[int, str], list[ast.AST]]:
    """The functions of a file by first line, that of a decorator included, and name."""
    found: dict[tuple[int, str], list[ast.AST]] = {}
    for node in ast.walk(ast.parse("".join(linecache.getlines(path)))):
        if isinstance(node, ast.FunctionDef):
            line = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            found.setdefault((line, node.name), []).append(node)
        elif isinstance(node, ast.Lambda):
            found.setdefault((node.lineno, "<lambda>"), []).append(node)
    return found


@cache
def _named_in(function: FunctionType, on: Any) -> tuple[tuple[Any, type[Any] | None], ...]:
    """What the function's body names, each with the class on which it is found; nothing if it was made at run time."""
    code = function.__code__
    nodes = _nodes(code.co_filename).get((code.co_firstlineno, code.co_name), [])
    return tuple(named for node in nodes for named in _Names(function, node, on).named())


BINDING = (
    *(ast.ImportFrom, ast.arg, ast.AnnAssign, ast.Assign, ast.NamedExpr),
    *(ast.For, ast.comprehension, ast.withitem, ast.Call),
)


class _Names:
    """Resolves the names in one function's code, as far as annotations and assignments tell what they are."""

    def __init__(self, function: FunctionType, tree: ast.AST, on: Any) -> None:
        self._nodes, self._on, self._owner = [*ast.walk(tree)], on, _owner(function)
        free = {
            name: cell.cell_contents
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
            if not _is_empty(cell)
        }
        self._known: dict[str, Any] = {**function.__globals__, **free}
        self._types: dict[str, Kinds] = {
            name: _kinds(hint) for name, hint in _hints(function).items() if name != "return"
        }
        receiver = on or self._owner
        if receiver is not None:
            self._types |= {"self": frozenset({receiver}), "cls": frozenset({receiver})}
        binding = [node for node in self._nodes if isinstance(node, BINDING)]
        for _ in range(2):  # what is bound may follow from what is bound further down, in a loop
            for node in binding:
                self._learn(node)

    def named(self) -> Iterator[tuple[Any, Any]]:
        """The values that names and attributes stand for, but in annotations and after ``except``."""
        aside: set[int] = set()
        for node in self._nodes:
            match node:
                case (
                    ast.ExceptHandler(type=ast.expr() as part)
                    | ast.arg(annotation=ast.expr() as part)
                    | ast.AnnAssign(annotation=part)
                    | ast.FunctionDef(returns=ast.expr() as part)
                ):
                    aside |= {id(one) for one in ast.walk(part)}
                case _:
                    pass
        for node in self._nodes:
            if id(node) not in aside:
                yield from self._values(node)

    def _learn(self, node: ast.AST) -> None:
        """What an import, an annotation, an assignment or a loop tells of names."""
        match node:
            case ast.ImportFrom(module=str(module)):
                imported = __import__(module, fromlist=["*"])
                self._known |= {one.asname or one.name: getattr(imported, one.name) for one in node.names}
            case ast.arg(annotation=ast.expr() as hint) | ast.AnnAssign(annotation=hint):
                name = node.arg if isinstance(node, ast.arg) else getattr(node.target, "id", "")
                self._types.setdefault(name, _kinds(_evaluated(ast.unparse(hint), self._known)))
            case ast.Assign(value=value):
                for target in node.targets:
                    self._bind(target, value)
            case ast.NamedExpr(target=target, value=value):
                self._bind(target, value)
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                self._bind(target, value)
            case ast.Call(
                args=[ast.Lambda(args=ast.arguments(args=taken)), *given]
            ):  # map(lambda one: …, many)
                for one in taken:
                    self._types.setdefault(one.arg, frozenset().union(*map(self._kinds_of, given)))
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                self._bind(target, value)
            case _:
                pass

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        kinds = self._kinds_of(value)
        for part in ast.walk(target):
            if kinds and isinstance(part, ast.Name):
                self._types[part.id] = self._types.get(part.id, frozenset()) | kinds

    def _values(self, node: ast.AST) -> Iterator[tuple[Any, Any]]:
        """What an expression names: functions, classes, modules, tables, each with the class it was found on."""
        match node:
            case ast.Name(id=name) if name in self._known:
                yield self._known[name], None
            case ast.Call(func=ast.Name(id="getattr"), args=[of, ast.Constant(value=str(name)), *_]):
                yield from self._members(of, name)
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name) if self._owner:
                receiver = self._on or self._owner
                above = receiver.__mro__[receiver.__mro__.index(self._owner) + 1 :]
                yield from ((vars(one)[name], receiver) for one in above if name in vars(one))
            case ast.Attribute(value=of, attr=name):
                yield from self._members(of, name)
            case _:
                pass

    def _members(self, of: ast.expr, name: str) -> Iterator[tuple[Any, Any]]:
        for value, _ in self._values(of):
            if isinstance(value, ModuleType):
                yield getattr(value, name, None), None
            elif isinstance(value, type):
                yield inspect.getattr_static(value, name, None), value
        for kind in self._kinds_of(of):
            yield inspect.getattr_static(kind, name, None), kind

    def _kinds_of(self, node: ast.expr | None) -> Kinds:
        """The classes that an expression's value may be of, or hold: those of a list are those of its items."""
        match node:
            case ast.Name(id=name):
                known = self._known.get(name)
                return self._types.get(name) or (frozenset() if _is_named(known) else _kinds(type(known)))
            case ast.Attribute(value=of, attr=name):
                owners = self._kinds_of(of)
                held = [_kinds(_hints(kind).get(name)) for kind in owners]
                read = [_returned(member) for member, _ in self._members(of, name)]
                # ``rows.values()`` and the like: an attribute of the container, not of what it holds
                return frozenset().union(*held, *read) if any((*held, *read)) else owners
            case ast.Call(func=of, args=arguments):
                called = [value for value, _ in self._values(of)]
                made = [value for value in called if isinstance(value, type)]
                given = [value for one in arguments for value, _ in self._values(one)]
                results: Iterable[Kinds] = map(_returned, called)
                # ``load(Whistle, id)`` gives a Whistle
                passed = [_kinds(value) for value in given if isinstance(value, type)]
                found = frozenset().union(*results, *map(_kinds, made), *passed)
                return found or self._kinds_of(of if isinstance(of, ast.Attribute) else None)
            case None:
                return frozenset()
            case _:
                inner = (part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))
                return frozenset().union(*map(self._kinds_of, inner))


def _is_named(value: Any) -> bool:
    return isinstance(value, type | ModuleType | FunctionType)


def _is_empty(cell: Any) -> bool:
    try:
        return cell.cell_contents is None
    except ValueError:
        return True


def _returned(value: Any) -> Kinds:
    """The classes that a call of the function, or reading of the property, may give."""
    called = [] if isinstance(value, type) else _called(value, None)
    return frozenset().union(*(_kinds(_hints(one.function).get("return")) for one in called))


def _kinds(hint: Any) -> Kinds:
    """The classes of this suite in a hint such as ``Mapping[UUID, Whistle] | None``."""
    if isinstance(hint, TypeVar):
        return _kinds(hint.__bound__)
    own = {hint} if isinstance(hint, type) and hint.__module__.startswith(OURS) else set()
    return frozenset(own).union(*(_kinds(part) for part in get_args(hint)))


@cache
def _hints(of: Any) -> Mapping[str, Any]:
    """The annotations of a function or class and its bases, those that cannot be resolved left out."""
    found: dict[str, Any] = {}
    for one in reversed(of.__mro__) if isinstance(of, type) else [inspect.unwrap(of)]:
        known = vars(inspect.getmodule(one) or object())
        for name, hint in getattr(one, "__annotations__", {}).items():
            found[name] = _evaluated(hint, known) if isinstance(hint, str) else hint
    return found


def _evaluated(hint: str, known: Mapping[str, Any]) -> Any:
    try:
        value = eval(hint, dict(known))
    except (NameError, TypeError, AttributeError, SyntaxError):
        return None
    return _evaluated(value, known) if isinstance(value, str) else value


def _owner(function: FunctionType) -> Any:
    path = function.__qualname__.split(".")
    found: Any = inspect.getmodule(function)
    for name in path[:-1]:
        found = getattr(found, name, None)
    return found if isinstance(found, type) else None
