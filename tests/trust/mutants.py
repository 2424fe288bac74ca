"""The places of a module that `mutate.py` changes, one in each mutant.

Annotations, decorators, protocols, what is said in errors and f-strings, and `strict=` (which right
code never needs) stay as they are.
"""

import ast
from dataclasses import dataclass
from pathlib import Path

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult, ast.Mod: ast.Mult,
}  # fmt: skip
CHANGED_THEMSELVES = (ast.Compare, ast.BoolOp, ast.UnaryOp)  # as tests of an `if`
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """A module with one change.

    Args:
        module: File of the module.
        line: Where it is.
        what: What it is.
        source: The changed module.
        lines: Lines of the place; those of the body of a function whose default is changed.
        names: What is assigned there, of a place outside of all functions.
    """

    module: Path
    line: int
    what: str
    source: str
    lines: range
    names: tuple[str, ...]

    @property
    def key(self):
        """The same as long as the line is the same."""
        text = self.module.read_text("utf-8").splitlines()[self.line - 1].strip()
        return f"{self.module.stem} | {text} | {self.what}"


class Change(ast.NodeTransformer):
    """Changes the place with the given number; counts the places."""

    def __init__(self, wanted=-1):
        self.wanted, self.seen, self.line, self.what = wanted, 0, 0, ""
        self.lines, self.names = range(0), ()
        self.functions, self.statements, self.owners = [], [], []

    def visit(self, node):
        """Leaves annotations, decorators and what is only said in errors as they are."""
        if isinstance(node, ast.stmt):
            self.statements.append(node)
            changed_node = self.visit_inside(node)
            self.statements.pop()
            return changed_node
        return self.visit_inside(node)

    def visit_inside(self, node):
        if isinstance(node, ast.Raise | ast.arg | ast.Import | ast.ImportFrom | ast.JoinedStr):
            return node
        if isinstance(node, ast.keyword) and node.arg == "strict":
            return node
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                node.value = self.visit(node.value)
            return node
        if isinstance(node, ast.FunctionDef):
            self.functions.append(node)
            node.args = self.visit(node.args)
            node.body = [self.visit(part) for part in node.body]
            self.functions.pop()
            return node
        if isinstance(node, ast.ClassDef):
            if "Protocol" not in map(ast.unparse, node.bases):
                self.owners.append(node.name)
                node.body = [self.visit(part) for part in node.body]
                self.owners.pop()
            return node
        self.generic_visit(node)
        other = changed(node)
        if other is None:
            return node
        self.seen += 1
        if self.seen - 1 != self.wanted:
            return node
        self.line, self.what = node.lineno, f"{words(node)}  ->  {words(other)}"
        self.lines, self.names = self.place(node)
        return ast.copy_location(other, node)

    def place(self, node):
        """Lines whose tests meet the change, and names of what is assigned outside functions."""
        statement = self.statements[-1]
        if not self.functions:
            targets = getattr(statement, "targets", [getattr(statement, "target", None)])
            parts = [part for one in targets if one is not None for part in ast.walk(one)]
            found = [part.id for part in parts if isinstance(part, ast.Name)]
            return range(0), tuple(found + self.owners[-1:])
        function = self.functions[-1]
        if statement is function:
            return range(function.body[0].lineno, function.end_lineno + 1), ()
        if isinstance(node, ast.If):
            return range(node.lineno, node.lineno + 1), ()
        last = statement.end_lineno
        if getattr(statement, "body", None):
            last = max(statement.lineno, statement.body[0].lineno - 1)
        return range(min(statement.lineno, node.lineno), last + 1), ()


def changed(node):
    """The node as a mutant has it, or None where there is nothing to change."""
    match node:
        case ast.Compare(left, [operator], right) if type(operator) in COMPARISONS:
            return ast.Compare(left, [COMPARISONS[type(operator)]()], right)
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
            return ast.BinOp(left, OPERATORS[type(operator)](), right)
        case ast.BoolOp(ast.And(), values):
            return ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(ast.Or(), values):
            return ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            return operand
        case ast.Constant(bool() as value):
            return ast.Constant(not value)
        case ast.Constant(int() as value):
            return ast.Constant(value + 1)
        case ast.Constant(float() as value):
            return ast.Constant(1.1 * value if value else 0.1)
        case ast.IfExp(test, body, orelse):
            return ast.IfExp(test, orelse, body)
        case ast.Call(ast.Name(name), arguments, keywords) if name in CALLS:
            return ast.Call(ast.Name(CALLS[name]), arguments, keywords)
        case ast.If(test, body, orelse) if not isinstance(test, CHANGED_THEMSELVES):
            return ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
    return None


def words(node):
    """The code of a node; of a statement with a body, its first line."""
    return ast.unparse(node).partition("\n")[0]


def mutants(module):
    """All mutants of a module's file."""
    text = module.read_text("utf-8")
    counter = Change()
    counter.visit(ast.parse(text))
    for number in range(counter.seen):
        change = Change(number)
        source = ast.unparse(ast.fix_missing_locations(change.visit(ast.parse(text))))
        yield Mutant(module, change.line, change.what, source, change.lines, change.names)
