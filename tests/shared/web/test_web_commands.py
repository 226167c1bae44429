"""What a declared command asks for before it decides."""

from marshmallow import fields

from shared.events.assignment import Dispatch
from shared.web.commands import _references
from shared.web.fields import Part, Parts, PostId, Reason, UnitId


class DispatchPart(Part):
    makes = Dispatch
    unit = UnitId(required=True)
    what = Reason(required=True)


def test_ids_are_found_in_lists_and_parts_of_a_body() -> None:
    pieces = Parts(DispatchPart, most=3).deserialize([{"unit": "a", "what": "x"}, {"unit": "b", "what": "y"}])
    assert pieces == [Dispatch(unit="a", what="x"), Dispatch(unit="b", what="y")]
    for made, value, found in (
        (UnitId(), "a", ["a"]),
        (PostId(), None, []),
        (fields.List(UnitId()), ["a", "b"], ["a", "b"]),
        (Parts(DispatchPart, most=3), pieces, ["a", "b"]),
        (Parts(DispatchPart, most=3), None, []),
    ):
        [(_, ids)] = _references(made)
        assert list(ids(value)) == found


def test_an_id_that_need_not_be_known_is_asked_of_nobody() -> None:
    assert list(_references(UnitId(known=False))) == []
    assert list(_references(fields.String())) == []
