"""What a gradient check found."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from mlpcli.records import record


@record
class ParameterCheck:
    """How one array's gradient compares with central differences.

    Attributes:
        name, shape: of the array.
        checked: how many entries were compared.
        kinks_skipped: how many were not, as a unit changed sides between w − h and w + h.
        max_relative_error: over those compared; infinite where a number is not finite.
        worst_index: the entry that has it.
        analytic, numeric: its derivative by the backward pass and by central differences.

    The last four are None where nothing was compared.
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    kinks_skipped: int
    max_relative_error: float | None = None
    worst_index: tuple[int, ...] | None = None
    analytic: float | None = None
    numeric: float | None = None

    @property
    def error(self) -> float:
        """`max_relative_error`, 0 where nothing was compared."""
        return self.max_relative_error or 0.0

    def mismatch(self, tolerance: float) -> str | None:
        """The worst entry in one line, where it is above the tolerance."""
        if self.error <= tolerance:
            return None
        index = ", ".join(map(str, self.worst_index or ()))
        return (
            f"{self.name}[{index}] has the derivative {self.analytic:.10g} by backpropagation, "
            f"{self.numeric:.10g} by central differences: "
            f"relative error {self.error:.1e}, tolerance {tolerance:g}"
        )

    def unproved(self) -> str | None:
        """Too few entries that could be compared, in one line, where most lie at a kink."""
        if self.kinks_skipped <= self.checked:
            return None
        return (
            f"{self.name} is not verified: {self.kinks_skipped} of "
            f"{self.kinks_skipped + self.checked} entries lie at a kink of the activation; "
            "try another seed"
        )


@record
class Check:
    """One of the checks beside the table, and what it found."""

    name: str
    passed: bool
    detail: str


@record
class GradientCheck:
    """The outcome of a gradient check.

    Attributes:
        tolerance: the largest relative error that passes.
        parameters: one entry an array, for the whole loss after burn-in.
        checks: the sanity checks, and the passes at the initial point and over the loss's parts.
    """

    tolerance: float
    parameters: list[ParameterCheck]
    checks: list[Check]

    @property
    def passed(self) -> bool:
        return self.failure() is None

    @property
    def max_relative_error(self) -> float:
        """The largest of `parameters`."""
        return max(parameter.error for parameter in self.parameters)

    def failure(self) -> str | None:
        """What is wrong, in one line, the worst parameter first; None where all is well."""
        worst = max(self.parameters, key=lambda parameter: parameter.error)
        reasons = [worst.mismatch(self.tolerance)]
        reasons += [parameter.unproved() for parameter in self.parameters]
        reasons += [None if c.passed else f"{c.name}: {c.detail}" for c in self.checks]
        return next((reason for reason in reasons if reason), None)

    def to_json(self) -> dict[str, Any]:
        """As `gradcheck --json` has it; a number that is not finite is null."""
        return {
            "passed": self.passed,
            "tolerance": self.tolerance,
            "max_relative_error": _finite_or_none(self.max_relative_error),
            "parameters": [
                {name: _finite_or_none(value) for name, value in asdict(parameter).items()}
                for parameter in self.parameters
            ],
            "checks": [asdict(check) for check in self.checks],
        }


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
