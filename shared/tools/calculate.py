"""The calculator."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from shared.arithmetic import MAX_LENGTH, CalculationError, evaluate, shown
from shared.ports import Effect, Parts, Tool, ToolContext, ToolError, ToolResult


class Calculation(BaseModel):
    """What to work out."""

    expression: str = Field(
        max_length=MAX_LENGTH,
        description="The arithmetic expression, such as `(19.99 * 3) - 15%` or `sqrt(2) ^ 3`. Operators: + - * / // % ^ **"
        " and ! for factorials. `10%` is a share: `200 - 15%` is 170. Functions: sqrt cbrt abs round floor ceil min max"
        " sum mean median factorial comb perm gcd lcm ln log log10 log2 exp sin cos tan asin acos atan degrees radians"
        " hypot. Constants: pi e tau. Angles are in radians. No thousands separators.",
    )


class Calculate:
    """Works out an arithmetic expression."""

    name = "calculate"
    description = (
        "Work out an arithmetic expression exactly. Use it for every calculation beyond the simplest,"
        " and never guess a result."
    )
    arguments: type[BaseModel] = Calculation
    effect = Effect.READ
    progress = "Calculating"

    async def call(self, *, arguments: BaseModel, context: ToolContext) -> ToolResult:
        """Evaluate the expression."""
        assert isinstance(arguments, Calculation)
        expression = arguments.expression.strip(" =")
        try:
            return ToolResult(f"{expression} = {shown(evaluate(expression))}")
        except CalculationError as error:
            raise ToolError(str(error)) from None


def build(_: Parts) -> Sequence[Tool]:
    """The calculator."""
    return [Calculate()]
