"""The waiting room: who goes together, who goes first, and who is not let in."""

import asyncio
import math
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import NotReady, Overloaded
from service.waiting import WaitingRoom, Work

LOOP = asyncio.new_event_loop()
ONE, OTHER = object(), object()  # the room tells models apart and asks nothing else of them


def work(glyphs=1, *, interactive=True, model=ONE, network=True, deadline=math.inf):
    return Work(
        model=model, prepare=(lambda model: None) if network else None, finish=lambda found: None,
        done=LOOP.create_future(), glyphs=glyphs, interactive=interactive, deadline=deadline,
    )  # fmt: skip


def room(executors=1, size=100, overload_wait=0.05, batch=1):
    return WaitingRoom(executors=executors, size=size, overload_wait=overload_wait, batch=batch)


def filled(*some, **given):
    made = room(**given)
    for piece in some:
        made.enter(piece)
    return made


def test_a_lone_piece_is_given_out_at_once():
    alone = work()
    assert filled(alone).take(16) == [alone]


def test_what_waits_goes_together_in_the_order_it_came():
    pieces = [work() for _ in range(5)]
    made = filled(*pieces)
    assert made.take(3) == pieces[:3]
    assert made.take(3) == pieces[3:]
    assert made.waiting == 0


def taken_in_time(made, most=16):
    """What an executor is given; the test fails where it is kept waiting."""
    taken = []
    executor = threading.Thread(target=lambda: taken.append(made.take(most)), daemon=True)
    executor.start()
    executor.join(20)
    assert taken, "the executor is kept waiting"
    return taken[0]


AGES = 1e6  # seconds that a batch took, so that a hold would outlast the test


def test_those_who_were_answered_together_are_waited_for():
    made = filled(work(), work())
    made.finished(made.take(16), AGES)
    first, second = work(), work()
    made.enter(first)
    executor = threading.Timer(0.05, made.enter, [second])
    executor.start()
    assert taken_in_time(made) == [first, second]


def test_those_who_waited_meanwhile_are_company_too():
    made = filled(work(), work())
    begun, waiting = made.take(1), made.take(1)
    made.enter(*waiting)
    made.finished(begun, AGES)
    again = work()
    threading.Timer(0.05, made.enter, [again]).start()
    assert taken_in_time(made) == [*waiting, again]


def test_a_lone_caller_is_never_held():
    made = filled(work())
    made.finished(made.take(16), AGES)
    again = work()
    made.enter(again)
    assert taken_in_time(made) == [again]


def test_nobody_is_held_longer_than_a_fraction_of_what_the_batch_took_nor_once_a_batch_is_full():
    made = filled(*(work() for _ in range(4)))
    made.finished(made.take(4), 0.001)
    alone = work()
    made.enter(alone)
    assert taken_in_time(made) == [alone]
    made.finished([work() for _ in range(4)], AGES)
    pieces = [work(), work()]
    for piece in pieces:
        made.enter(piece)
    assert taken_in_time(made, most=2) == pieces


def test_what_is_held_is_given_out_when_the_room_is_closed():
    made = filled(work(), work())
    made.finished(made.take(16), AGES)
    alone = work()
    made.enter(alone)
    threading.Timer(0.05, made.close).start()
    assert taken_in_time(made) == [alone]


def test_executors_share_what_waits():
    made = filled(*(work() for _ in range(10)), executors=2)
    assert [len(made.take(16)) for _ in range(3)] == [5, 3, 1]


def test_interactive_work_goes_ahead_of_batches_and_they_fill_up():
    batch, urgent = [work(interactive=False) for _ in range(3)], [work() for _ in range(2)]
    made = filled(*batch, *urgent)
    assert (made.waiting, made.waiting_in_batches) == (2, 3)
    assert made.take(4) == [*urgent, *batch[:2]]


def test_batches_are_slow_under_lasting_load_and_not_stuck():
    made = filled(work(interactive=False, model=OTHER), size=10_000)
    turns = 0
    while made.waiting_in_batches:
        made.enter(work())
        made.enter(work())
        made.take(1)
        turns += 1
    assert turns == 9


def test_only_work_for_one_model_goes_together_and_nobody_loses_their_turn():
    first, second, third = work(), work(model=OTHER), work()
    made = filled(first, second, third)
    assert made.take(16) == [first, third]
    assert made.take(16) == [second]


def test_work_without_the_network_goes_alone():
    first, search, second = work(), work(network=False), work()
    made = filled(first, search, second)
    assert made.take(16) == [first, second]
    assert made.take(16) == [search]


def test_a_piece_larger_than_a_batch_comes_alone():
    small, large = work(2), work(50)
    made = filled(small, large)
    assert made.take(16) == [small]
    assert made.take(16) == [large]


def test_a_full_room_refuses_and_an_idle_executor_counts_as_room():
    made = room(size=0)
    with pytest.raises(Overloaded):
        made.enter(work())
    taken = []
    executor = threading.Thread(target=lambda: taken.extend(made.take(16)))
    executor.start()
    piece = work()
    while True:
        try:
            made.enter(piece)
            break
        except Overloaded:  # until the executor has come
            time.sleep(0.001)
    executor.join(10)
    assert taken == [piece]


def test_after_it_was_full_only_a_short_queue_is_let_in_until_all_find_room_for_a_while():
    made = filled(*(work() for _ in range(10)), size=10, overload_wait=0.025)  # a glyph takes 5 ms
    with pytest.raises(Overloaded):
        made.enter(work())
    made.take(4)
    with pytest.raises(Overloaded):  # there is room for four, but six wait 30 ms
        made.enter(work())
    made.take(1)
    made.enter(work())  # five before it
    assert made.overloaded
    with pytest.raises(Overloaded):
        made.enter(work())
    until = time.monotonic() + 10
    while made.overloaded:
        assert time.monotonic() < until
        time.sleep(0.01)
    for _ in range(4):
        made.enter(work())


@pytest.fixture
def overloaded(monkeypatch):
    """Gives empty rooms in which nobody may wait in an overload, which lasts, but for the next batch."""
    monkeypatch.setattr("service.waiting._CALM", 1e6)
    return full_once


def full_once(batch):
    made = filled(*(work() for _ in range(20)), size=20, overload_wait=1e-9, batch=batch)
    with pytest.raises(Overloaded):
        made.enter(work())
    made.finished(made.take(20), 0.1)
    assert made.overloaded
    return made


def let_in(made):
    """How many find room at this moment; they wait then."""
    pieces = []
    while True:
        try:
            made.enter(piece := work())
        except Overloaded:
            return pieces
        pieces.append(piece)


def test_in_an_overload_a_full_batch_may_wait_however_long_that_takes(overloaded):
    assert len(let_in(overloaded(batch=6))) == 6
    assert len(let_in(overloaded(batch=1))) == 1


def test_when_clients_leave_in_an_overload_fewer_may_wait_and_slowly_more_again(overloaded):
    made = overloaded(batch=8)
    pieces = let_in(made)
    pieces[0].done.cancel()  # while it waits
    made.finished(made.take(8), 0.1)
    pieces = let_in(made)
    assert len(pieces) == 4
    batch = made.take(8)
    pieces[0].done.cancel()  # while it is worked on
    made.finished(batch, 0.1)
    assert len(let_in(made)) == 2
    grown = []
    for _ in range(200):
        made.finished(made.take(8), 0.1)
        grown.append(len(let_in(made)))
    assert grown == sorted(grown)
    assert (grown[0], grown[-1]) == (3, 8)
    assert grown.count(3) > 10


def test_when_more_leave_than_are_served_that_is_an_overload():
    pieces = [work() for _ in range(5)]
    made = filled(*pieces)
    for piece in pieces[:2]:
        piece.done.cancel()
    made.finished(made.take(5), 0.1)  # three stayed
    assert not made.overloaded
    pieces = [work() for _ in range(5)]
    for piece in pieces:
        made.enter(piece)
    for piece in pieces[:3]:
        piece.done.cancel()
    made.finished(made.take(5), 0.1)
    assert made.overloaded


def test_who_asks_for_the_impossible_overloads_nobody():
    made = filled(*(work() for _ in range(20)))
    with pytest.raises(Overloaded):
        made.enter(work(deadline=time.monotonic() + 0.01))
    assert not made.overloaded


def test_who_could_not_be_answered_in_time_is_refused_with_the_time_to_wait():
    made = filled(*(work() for _ in range(41)))
    made.finished(made.take(1), 1.0)  # a glyph takes 104.5 ms
    with pytest.raises(Overloaded) as refusal:
        made.enter(work(deadline=time.monotonic() + 1))
    assert refusal.value.retry_after == 5
    made.enter(work(deadline=time.monotonic() + 60))


def test_batches_are_never_refused_nor_in_the_way_of_admission():
    made = filled(*(work(interactive=False) for _ in range(50)), size=1)
    made.enter(work())
    with pytest.raises(Overloaded):
        made.enter(work())


def test_who_left_makes_room_and_is_not_given_out():
    left, stays = work(), work()
    made = filled(left, stays, size=2)
    left.done.cancel()
    new = work()
    made.enter(new)
    assert made.take(16) == [stays, new]


def test_a_closed_room_lets_nobody_in_and_gives_out_what_it_has():
    piece = work()
    made = filled(piece)
    made.close()
    for late in (work(), work(interactive=False)):
        with pytest.raises(NotReady):
            made.enter(late)
    assert made.take(16) == [piece]
    assert made.take(16) == []


@given(
    st.lists(st.tuples(st.integers(1, 20), st.booleans(), st.sampled_from([ONE, OTHER]), st.booleans())),
    st.integers(1, 3), st.integers(1, 16),
)  # fmt: skip
def test_everything_that_came_in_goes_out_once(pieces, executors, most):
    came = [
        work(glyphs, interactive=urgent, model=model, network=network)
        for glyphs, urgent, model, network in pieces
    ]
    made = filled(*came, executors=executors, size=10_000)
    made.close()
    went = []
    while batch := made.take(most):
        assert len({id(piece.model) for piece in batch}) == 1
        assert len(batch) == 1 or sum(piece.glyphs for piece in batch) <= most
        went += batch
    assert sorted(map(id, went)) == sorted(map(id, came))
    assert (made.waiting, made.waiting_in_batches) == (0, 0)
