"""Proofs that an auditor can check without us: an event stands in a signed tree, and a later tree only adds to it."""

from typing import Any
from uuid import UUID

from shared.audit import merkle
from shared.audit.checkpoint import Checkpoint, Note
from shared.audit.tree import Signed, Tree
from shared.domain.refusal import Refusal
from shared.domain.words import SERVICE
from shared.log.recorder import LogRecorder


class NoSuchEvent(Refusal, service=SERVICE):
    """{service} 的日志中没有聚合 {aggregate} 的第 {version} 版。
    The log of {service} has no version {version} of {aggregate}."""

    status = 404


class NotSealedYet(Refusal, service=SERVICE):
    """{service} 的日志还没有 {size} 条以上的检查点，请稍后再试，或执行 duban audit checkpoint。
    The log of {service} has no checkpoint of {size} events or more yet: try later, or run duban audit checkpoint."""


class NoCheckpointOfThatSize(Refusal, service=SERVICE):
    """{service} 的日志没有恰好 {size} 条的检查点。
    The log of {service} has no checkpoint of exactly {size} events."""

    status = 404
    field = "size"


class SizesAreTheWrongWayRound(Refusal):
    """第一个检查点（{first} 条）须不大于第二个（{second} 条），且不是空的。
    The first checkpoint ({first} events) must not be larger than the second ({second}), and not be empty."""

    status = 422
    field = "first"


class TreeDoesNotLeadThere(Refusal):
    """所存的树与签名的检查点不符，不能出具证明；请执行 duban audit verify。
    The stored tree does not lead to the signed checkpoint, nothing is proved from it: run duban audit verify."""


def inclusion(
    service: str, log: LogRecorder, aggregate: UUID, version: int, size: int | None = None
) -> dict[str, Any]:
    """The proof that an event stands in the tree of the newest checkpoint, or of that of ``size`` events (RFC 9162).

    Raises NoSuchEvent, NotSealedYet, NoCheckpointOfThatSize, TreeDoesNotLeadThere.
    """
    tree = Tree(log)
    position = log.position_of(aggregate, version)
    if position is None:
        raise NoSuchEvent(service=service, aggregate=aggregate, version=version)
    signed = tree.last() if size is None else _of_size(service, tree, size)
    index = tree.index_of(position)
    if index is None or signed is None or signed.size <= index:
        raise NotSealedYet(service=service, size=tree.position().size if index is None else index + 1)
    checkpoint = Checkpoint.parse(Note.parse(signed.note).text)
    leaf = merkle.leaf_hashes(log.leaf_rows(position - 1, 1))[0]
    try:
        path = merkle.inclusion_proof(tree.nodes(), index, checkpoint.size)
        merkle.check_inclusion(leaf, index, checkpoint.size, path, checkpoint.root)
    except (ValueError, merkle.ProofIsWrong) as error:
        raise TreeDoesNotLeadThere from error
    return {
        "service": service,
        "position": position,
        "index": index,
        "size": checkpoint.size,
        "leaf": leaf.hex(),
        "path": [one.hex() for one in path],
        "checkpoint": signed.note,
    }


def consistency(service: str, log: LogRecorder, first: int, second: int | None = None) -> dict[str, Any]:
    """The proof that the checkpoint of ``second`` events (default: the newest) only adds to that of ``first``.

    Raises NoCheckpointOfThatSize, NotSealedYet, SizesAreTheWrongWayRound, TreeDoesNotLeadThere.
    """
    tree = Tree(log)
    later = tree.last() if second is None else _of_size(service, tree, second)
    if later is None:
        raise NotSealedYet(service=service, size=first)
    if not 0 < first <= later.size:
        raise SizesAreTheWrongWayRound(first=first, second=later.size)
    earlier = _of_size(service, tree, first)
    one, two = (Checkpoint.parse(Note.parse(signed.note).text) for signed in (earlier, later))
    try:
        path = merkle.consistency_proof(tree.nodes(), one.size, two.size)
        merkle.check_consistency(one.size, two.size, path, one.root, two.root)
    except (ValueError, merkle.ProofIsWrong) as error:
        raise TreeDoesNotLeadThere from error
    return {
        "service": service,
        "first": one.size,
        "second": two.size,
        "path": [hash_.hex() for hash_ in path],
        "first_checkpoint": earlier.note,
        "second_checkpoint": later.note,
    }


def _of_size(service: str, tree: Tree, size: int) -> Signed:
    found = tree.at_size(size)
    if found is None:
        raise NoCheckpointOfThatSize(service=service, size=size)
    return found
