"""Manners: questions are spaced, repeated, and at last not asked."""

import pytest

from closecast.errors import VendorError
from closecast.market.vendors.manners import Bucket, Manners, Turnstile
from closecast.market.vendors.wire import Fault


def answers(*outcomes):
    """Make a question that meets these outcomes in turn."""
    left = list(outcomes)

    def question():
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return question


def busy(wait_s=None):
    """Make a fault that passes."""
    return Fault(kind="limited", why="busy", retry_after_s=wait_s)


@pytest.fixture
def turnstile(clock):
    manners = Manners(per_second=1e9, burst=10, failures=2, rest_s=60)
    return Turnstile("shop", manners, clock)


class TestRetries:
    def test_waits_double_and_hold_chance(self, turnstile, clock):
        """Three further attempts, each after twice the wait, half of it chance."""
        assert turnstile.ask(answers(busy(), busy(), busy(), "bars")) == "bars"
        assert clock.slept == [1.5, 3.0, 6.0]

    def test_the_fourth_fault_is_raised(self, turnstile):
        """After four attempts the fault itself comes out."""
        with pytest.raises(Fault, match="busy"):
            turnstile.ask(answers(*[busy()] * 5))

    @pytest.mark.parametrize("kind", ["refused", "unknown", "empty", "missing"])
    def test_what_will_not_pass_is_not_repeated(self, turnstile, clock, kind):
        """An empty answer stays empty."""
        with pytest.raises(Fault, match="why"):
            turnstile.ask(answers(Fault(kind=kind, why="why"), "never"))
        assert clock.slept == []

    def test_a_long_wait_is_not_waited(self, turnstile, clock):
        """A vendor that asks for more than five minutes gets its peace."""
        with pytest.raises(Fault, match="busy"):
            turnstile.ask(answers(busy(301.0), "never"))
        assert clock.slept == []

    def test_an_error_of_ours_is_not_repeated(self, turnstile):
        """Only a vendor's faults are met with patience."""
        with pytest.raises(ZeroDivisionError):
            turnstile.ask(answers(ZeroDivisionError(), "never"))


class TestBreaker:
    def fail(self, turnstile, times):
        for _ in range(times):
            with pytest.raises(Fault, match="busy"):
                turnstile.ask(answers(*[busy(999.0)]))

    def test_after_failures_in_a_row_nothing_is_asked(self, turnstile):
        """The vendor is left alone, and the question is never put."""
        self.fail(turnstile, 2)

        with pytest.raises(VendorError, match="2 failed questions in a row"):
            turnstile.ask(answers())

    def test_after_its_rest_one_question_decides(self, turnstile, clock):
        """An answer closes the breaker, another failure opens it again."""
        self.fail(turnstile, 2)
        clock.pass_by(60)
        self.fail(turnstile, 1)

        with pytest.raises(VendorError, match="left alone for 60 s"):
            turnstile.ask(answers())
        clock.pass_by(60)
        assert turnstile.ask(answers("bars")) == "bars"
        self.fail(turnstile, 1)
        assert turnstile.ask(answers("bars")) == "bars"

    def test_an_unknown_symbol_is_no_failure_of_the_vendor(self, turnstile):
        """A vendor that answers "no such symbol" works."""
        for _ in range(5):
            with pytest.raises(Fault, match="no"):
                turnstile.ask(answers(Fault(kind="unknown", why="no")))


class TestBucket:
    def test_a_burst_is_free_and_then_time_pays(self, clock):
        """Three at once, then one each two seconds."""
        bucket = Bucket(per_second=0.5, burst=3, clock=clock)
        for _ in range(5):
            bucket.take()

        assert clock.slept == [2.0, 2.0]

    def test_rest_fills_it_to_the_brim_and_no_further(self, clock):
        """An hour of silence gives a burst, not an hour of tokens."""
        bucket = Bucket(per_second=0.5, burst=3, clock=clock)
        clock.pass_by(3600)
        clock.slept.clear()
        for _ in range(4):
            bucket.take()

        assert clock.slept == [2.0]

    def test_each_attempt_takes_a_token(self, clock):
        """Repeated questions are spaced like others."""
        manners = Manners(per_second=0.001, burst=1, backoff_s=1)
        turnstile = Turnstile("shop", manners, clock)
        turnstile.ask(answers(busy(), "bars"))

        assert clock.slept == [0.75, 999.25]
