"""Arithmetic as people write it: exact where numbers allow it, bounded in size, and without `eval`."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from types import MappingProxyType

MAX_LENGTH = 500
MAX_BITS = 12_000
"""The largest number, in bits: some 3,600 digits."""
MAX_FACTORIAL = 1_000
EXACT_DIGITS = 40
"""A longer result is rounded to SHOWN_DIGITS, and said to be."""
SHOWN_DIGITS = 15
FLOAT_DIGITS = 12
"""Of a float, the last digits are noise: sqrt(2) ** 2 is 2."""

Number = Fraction | float
"""Fractions as long as the result is rational, a float from the first root or logarithm on."""

_TOO_LARGE = "The numbers in this calculation grow too large to work out."
_CHARACTERS = str.maketrans(
    {"×": "*", "·": "*", "⋅": "*", "÷": "/", "∕": "/", "−": "-", "–": "-", "π": "pi", "τ": "tau"}
)
_POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_EXPONENT = re.compile(r"[eE][+-]?(\d+)")


class CalculationError(Exception):
    """An expression that cannot be worked out. The message is for the person."""


def _fits(value: Number) -> Number:
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
            raise CalculationError(_TOO_LARGE)
    elif math.isnan(value):
        raise CalculationError("This calculation has no defined result.")
    elif math.isinf(value):
        raise CalculationError(_TOO_LARGE)
    return value


def _whole(value: Number, name: str) -> int:
    if value != int(value):
        raise CalculationError(f"{name} takes whole numbers only.")
    return int(value)


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent == Fraction(1, 2):
            return _sqrt(base)
        if exponent.denominator == 1:
            bits = max(base.numerator.bit_length(), base.denominator.bit_length())
            if (bits - 1) * abs(exponent.numerator) > MAX_BITS:
                raise CalculationError(_TOO_LARGE)
            return base**exponent.numerator
    value: float | complex = float(base) ** float(exponent)
    if isinstance(value, complex):
        raise CalculationError("This calculation has no real result.")
    return value


def _sqrt(value: Number) -> Number:
    if value < 0:
        raise CalculationError("A negative number has no real square root.")
    if isinstance(value, Fraction):
        top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if top * top == value.numerator and bottom * bottom == value.denominator:
            return Fraction(top, bottom)
    return math.sqrt(value)


def _round(value: Number, digits: Number = Fraction(0)) -> Number:
    """Half away from zero, as people round."""
    places = _whole(digits, "round")
    if abs(places) > 1000:
        raise CalculationError(_TOO_LARGE)
    scale = Fraction(10) ** places
    scaled = abs(Fraction(value)) * scale
    rounded = Fraction(math.floor(scaled + Fraction(1, 2))) / scale
    return rounded if value >= 0 else -rounded


def _log(value: Number, base: Number | None = None) -> float:
    # math.log takes integers of any size, floats end at 1e308.
    natural = (
        math.log(value.numerator) - math.log(value.denominator) if isinstance(value, Fraction) else math.log(value)
    )
    return natural if base is None else natural / _log(base)


def _factorial(value: Number) -> Fraction:
    number = _whole(value, "factorial")
    if number > MAX_FACTORIAL:
        raise CalculationError(f"factorial goes up to {MAX_FACTORIAL}.")
    return Fraction(math.factorial(number))


def _choose(name: str, function: Callable[[int, int], int]) -> Callable[[Number, Number], Fraction]:
    def choose(n: Number, k: Number) -> Fraction:
        total, chosen = _whole(n, name), _whole(k, name)
        if max(total, chosen) > 10 * MAX_FACTORIAL:
            raise CalculationError(f"{name} goes up to {10 * MAX_FACTORIAL}.")
        return Fraction(function(total, chosen))

    return choose


def _median(*values: Number) -> Number:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _integers(name: str, function: Callable[..., int]) -> Callable[..., Fraction]:
    return lambda *values: Fraction(function(*(_whole(value, name) for value in values)))


def _floats(function: Callable[..., float]) -> Callable[..., float]:
    return lambda *values: function(*(float(value) for value in values))


_OPERATORS: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: lambda left, right: Fraction(left // right),
        ast.Mod: operator.mod,
        ast.Pow: _power,
    }
)
_FUNCTIONS: Mapping[str, Callable[..., Number]] = MappingProxyType(
    {
        "sqrt": _sqrt,
        "cbrt": _floats(math.cbrt),
        "abs": abs,
        "round": _round,
        "floor": lambda value: Fraction(math.floor(value)),
        "ceil": lambda value: Fraction(math.ceil(value)),
        "min": lambda *values: min(values),
        "max": lambda *values: max(values),
        "sum": lambda *values: sum(values, Fraction(0)),
        "mean": lambda *values: sum(values, Fraction(0)) / len(values),
        "median": _median,
        "factorial": _factorial,
        "comb": _choose("comb", math.comb),
        "perm": _choose("perm", math.perm),
        "gcd": _integers("gcd", math.gcd),
        "lcm": _integers("lcm", math.lcm),
        "ln": _log,
        "log": lambda value, base=Fraction(10): _log(value, base),
        "log10": lambda value: _log(value, Fraction(10)),
        "log2": lambda value: _log(value, Fraction(2)),
        "exp": _floats(math.exp),
        "hypot": _floats(math.hypot),
        **{name: _floats(getattr(math, name)) for name in ("sin", "cos", "tan", "asin", "acos", "atan", "atan2")},
        "degrees": _floats(math.degrees),
        "radians": _floats(math.radians),
    }
)
_CONSTANTS: Mapping[str, float] = MappingProxyType({"pi": math.pi, "e": math.e, "tau": math.tau})


def _prepare(expression: str) -> str:
    """The expression in Python's syntax. A share `10%` and a factorial `5!` become attributes, which bind tightest."""
    text = expression.strip().rstrip("=").translate(_CHARACTERS)
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda found: f"**({found[0].translate(_POWERS)})", text)
    text = text.replace("^", "**")
    text = re.sub(r"%(?=\s*(?:$|[-+*/%),]|of\b))", " .percent ", text)
    text = re.sub(r"!(?!=)", " .factorial ", text)
    return re.sub(r"(?<=\.percent )\s*of\b", "*", re.sub(r"\bmod\b", "%", text))


def _share(node: ast.expr) -> bool:
    """True for `10%` and sums of such: added to anything else, it means a share of that."""
    if isinstance(node, ast.BinOp):
        return _share(node.left) and _share(node.right)
    return isinstance(node, ast.Attribute) and node.attr == "percent"


class _Evaluator:
    """Walks the tree of one expression. Anything that is not on the lists above is refused."""

    def __init__(self, source: str) -> None:
        self._source = source

    def value(self, node: ast.expr) -> Number:
        match node:
            case ast.Constant():
                return self._literal(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.value(operand)
            case ast.BinOp():
                return self._binary(node)
            case ast.Attribute(attr="percent", value=share):
                return self.value(share) / 100
            case ast.Attribute(attr="factorial", value=number):
                return _factorial(self.value(number))
            case ast.Name(id=name) if name.lower() in _CONSTANTS:
                return _CONSTANTS[name.lower()]
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name.lower() in _FUNCTIONS:
                return self._call(name.lower(), arguments)
            case ast.Tuple():
                raise CalculationError(
                    "Write numbers without thousands separators, and with a point before the decimals."
                )
        raise self._refusal(node)

    def _binary(self, node: ast.BinOp) -> Number:
        operation = _OPERATORS.get(type(node.op))
        if operation is None:
            raise self._refusal(node)
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Add | ast.Sub) and _share(node.right) and not _share(node.left):
            right = left * right
        return _fits(operation(left, right))

    def _refusal(self, node: ast.expr) -> CalculationError:
        part = ast.get_source_segment(self._source, node) or ""
        return CalculationError(
            f"I cannot calculate with {part[:40]!r}; only numbers, operators and the named functions."
        )

    def _literal(self, node: ast.Constant) -> Fraction:
        # The text, not the parsed float: 0.1 is one tenth.
        text = (ast.get_source_segment(self._source, node) or "").replace("_", "")
        if type(node.value) is int:
            return Fraction(node.value)
        if type(node.value) is not float:
            raise self._refusal(node)
        exponent = _EXPONENT.search(text)
        if exponent and int(exponent[1]) > MAX_BITS // 4:
            raise CalculationError(_TOO_LARGE)
        return Fraction(text)

    def _call(self, name: str, nodes: Sequence[ast.expr]) -> Number:
        arguments = [self.value(node) for node in nodes]
        try:
            return _fits(_FUNCTIONS[name](*arguments))
        except TypeError:
            raise CalculationError(f"{name} does not take {len(arguments)} numbers.") from None


def evaluate(expression: str) -> Number:
    """The value of an expression of at most MAX_LENGTH characters. Raises CalculationError."""
    if len(expression) > MAX_LENGTH:
        raise CalculationError(f"An expression has at most {MAX_LENGTH} characters.")
    source = _prepare(expression)
    try:
        tree = ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise CalculationError(f"{expression[:60]!r} is not an expression that I can calculate.") from None
    try:
        return _fits(_Evaluator(source).value(tree.body))
    except ZeroDivisionError:
        raise CalculationError("That would divide by zero.") from None
    except OverflowError:
        raise CalculationError(_TOO_LARGE) from None
    except RecursionError:
        raise CalculationError("This expression is nested too deeply.") from None
    except ValueError:
        raise CalculationError("This calculation has no defined result.") from None


def shown(value: Number) -> str:
    """The result as a decimal number, with a word where digits are left out."""
    if isinstance(value, float):
        return f"{0.0 if abs(value) < 1e-15 else value:.{FLOAT_DIGITS}g} (rounded)"
    exact = _decimal(value)
    if exact:
        return exact
    context = Context(prec=SHOWN_DIGITS)
    quotient = context.divide(Decimal(value.numerator), Decimal(value.denominator)).normalize()
    return f"{quotient}{' (rounded)' if context.flags[Inexact] else ''}"


def _decimal(value: Fraction) -> str:
    """The exact decimal form; empty where there is none, or none of a length that anybody reads."""
    rest, places = value.denominator, 0
    while rest % 10 == 0:
        rest, places = rest // 10, places + 1
    for prime in (2, 5):
        while rest % prime == 0:
            rest, places = rest // prime, places + 1
    if rest != 1 or places > EXACT_DIGITS:
        return ""
    digits = str(abs(value.numerator) * 10**places // value.denominator).zfill(places + 1)
    if len(digits) > EXACT_DIGITS:
        return ""
    whole, decimals = (digits[:-places], digits[-places:]) if places else (digits, "")
    return f"{'-' if value < 0 else ''}{whole}{'.' if decimals else ''}{decimals}"
