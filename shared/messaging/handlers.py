"""Methods that handle facts, found by the type of their ``fact`` argument."""

from collections.abc import Callable, Iterable
from typing import Any, get_args, get_type_hints

from shared.events.base import VOCABULARY, Fact


def handlers_of(cls: type, prefix: str) -> dict[str, list[str]]:
    """Topic → names of the methods that begin with ``prefix`` and take a fact of that topic.

    A union stands for each of its facts; a family of facts (a class without a topic) for every published one, and
    what holds for a family is called first. Raises TypeError for such a method without a typed ``fact``: it would
    never be called.
    """
    families: dict[str, list[str]] = {}
    found: dict[str, list[str]] = {}
    for name in dir(cls):
        method = getattr(cls, name)
        if not name.startswith(prefix) or not callable(method):
            continue
        for kind in _facts(cls, method):
            if "TOPIC" in vars(kind):
                found.setdefault(kind.TOPIC, []).append(name)
                continue
            for topic, published in VOCABULARY.items():
                if issubclass(published, kind):
                    families.setdefault(topic, []).append(name)
    return {topic: families.get(topic, []) + found.get(topic, []) for topic in {**families, **found}}


def _facts(cls: type, method: Callable[..., Any]) -> Iterable[type[Fact]]:
    hint = get_type_hints(method).get("fact")
    kinds = get_args(hint) or (hint,)
    if not all(isinstance(kind, type) and issubclass(kind, Fact) for kind in kinds):
        raise TypeError(f"{cls.__name__}.{method.__name__} does not say which fact it handles")
    return kinds


def sources_of(topics: Iterable[str]) -> tuple[str, ...]:
    """The services whose logs hold these topics."""
    return tuple(sorted({topic.partition(".")[0] for topic in topics}))
