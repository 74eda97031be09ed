"""The helper definitions and data files that a chapter's code reaches, found without running it.

A *definition* is a function, a class, or what an assignment or an import of another package binds at the top of a
module of ``helpers``. A chapter reaches those that its cells name, and those that these name in turn: directly, through
a table, a decorator, a default, or a module's attribute (``trends.ols``). Where a name can't be followed, the whole is
reached: a module that is passed on as a value or asked for what isn't in it, one whose dotted name stands as a text,
all that begin like the text of an f-string (``f"helpers.products.{family}"``). Of each module that is loaded on the
way counts what runs then: any statement but a plain definition, and any definition that calls something to be made.
What nobody could follow, such as ``exec`` or an ``import_module`` by another name, the helpers and chapters don't use:
a test holds them to it.
"""

from __future__ import annotations

import ast
import copy
import symtable
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from helpers.run.chapters import UserError

PACKAGE = "helpers"
PROSE = {".md", ".txt", ""}
"""Kinds of files in ``data/`` that no code reads: what they say about provenance and licences is for people."""
SHOWN = {"__doc__", "getdoc", "getsource", "help"}
"""Names by which code gets at docstrings; where one is reached, they count."""
HARMLESS = {
    *("dict", "enumerate", "float", "frozenset", "int", "len", "list", "range", "set", "slice", "str", "tuple", "zip"),
    *("classmethod", "property", "staticmethod", "contextlib.contextmanager", "dataclasses.dataclass"),
    *("dataclasses.field", "functools.cache", "functools.cached_property", "functools.lru_cache", "functools.partial"),
    *("functools.wraps", "pathlib.Path", "re.compile", "torch.no_grad", "typing.TypeVar"),
}
"""What may be called, or decorate, at the top of a module without doing more than make the definition."""
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def without_docs(tree: ast.AST) -> ast.AST:
    """Return a copy of a syntax tree without docstrings and other texts that stand alone in functions and classes."""
    return _stripped(copy.deepcopy(tree))


def _stripped(tree: ast.AST) -> ast.AST:
    """Take these texts out of a syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTION | ast.ClassDef):
            node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
    return tree


def shows_docs(nodes: Iterable[ast.AST]) -> bool:
    """Say whether code gets at docstrings; of a syntax tree are asked all nodes."""
    return any(getattr(node, "id", getattr(node, "attr", "")) in SHOWN for node in nodes)


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


def imports(tree: ast.AST, package: str) -> Iterator[tuple[str, str, str]]:
    """Yield ``(name, module, member)`` for each name that an import binds; no member where it is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name, "") if alias.asname else (alias.name.split(".")[0],) * 2 + ("",)
                yield "", alias.name, ""
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((alias.asname or alias.name, base, alias.name) for alias in node.names)


class Statement:
    """One statement at the top of a module, without its docstrings, and what it names; ``lines`` are the module's."""

    def __init__(self, tree: ast.stmt, lines: list[str]) -> None:
        self.tree = _stripped(tree)
        self.text = "\n".join(lines[tree.lineno - 1 : tree.end_lineno])

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All that its syntax tree is made of: it is asked for several times."""
        return [*ast.walk(self.tree)]

    @cached_property
    def mark(self) -> str:
        """Its code, whatever its layout."""
        return ast.dump(self.tree)

    @cached_property
    def shows_docs(self) -> bool:
        """Whether it gets at docstrings."""
        return shows_docs(self.nodes)

    @cached_property
    def binds(self) -> set[str]:
        """Names that it gives a value to in its module, imports apart."""
        if isinstance(self.tree, FUNCTION | ast.ClassDef):
            return {self.tree.name}
        named = {n.id for n in self.nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        return named | {n.name for n in self.nodes if isinstance(n, FUNCTION | ast.ClassDef)}

    @cached_property
    def names(self) -> set[tuple[str, ...]]:
        """The names that it takes from its module, each with the attributes that follow it: ``("trends", "ols")``."""
        outer = _outer(symtable.symtable(ast.unparse(self.tree), "", "exec"))
        return {chain for chain in _chains(self.tree) if chain[0] in outer}

    @cached_property
    def texts(self) -> set[str]:
        """Texts that stand in it."""
        return {n.value for n in self.nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}

    @cached_property
    def joined(self) -> set[str]:
        """Texts among these that are joined to a path: right of a slash, or given to a call."""
        divided = (n.right for n in self.nodes if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div))
        given = (a for n in self.nodes if isinstance(n, ast.Call) and _joins(n.func) for a in n.args)
        return {n.value for n in [*divided, *given] if isinstance(n, ast.Constant) and isinstance(n.value, str)}

    @cached_property
    def modules(self) -> set[tuple[str, bool]]:
        """Modules of the package that it names by a text: the text, and whether more follows, as in an f-string."""
        joined = (n.values[0] for n in self.nodes if isinstance(n, ast.JoinedStr) and n.values)
        named = {(text, False) for text in self.texts} | {(getattr(first, "value", ""), True) for first in joined}
        # a text that ends in a point is the beginning of others
        return {(t, more) for t, more in named if str(t).startswith(f"{PACKAGE}.") and (more or not t.endswith("."))}


def _joins(function: ast.expr) -> bool:
    return {getattr(function, "id", ""), getattr(function, "attr", "")} & {"Path", "joinpath", "join"} != set()


def _outer(table: symtable.SymbolTable) -> set[str]:
    """Return the names of a statement that no function in it has as its own, and those that it imports."""
    top = table.get_type() in ("module", "class")  # a class may take a name of the module's and call its own the same
    names = {s.get_name() for s in table.get_symbols()
             if s.is_global() or s.is_imported() or (top and s.is_referenced())}  # fmt: skip
    return names.union(*(_outer(inner) for inner in table.get_children()))


def _called(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what is called, or decorates, when a statement runs; what stands in functions' bodies doesn't run then."""
    if isinstance(node, ast.Call):
        yield node.func
    yield from (getattr(each, "func", each) for each in getattr(node, "decorator_list", []))
    inner = [node.args] if isinstance(node, FUNCTION | ast.Lambda) else ast.iter_child_nodes(node)
    for child in inner:
        yield from _called(child)


def _alters(node: ast.AST) -> bool:
    """Say whether a statement, when it runs, writes into something that is there, as ``table["a"] = 1`` does."""
    if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        return True
    inner = [] if isinstance(node, FUNCTION | ast.Lambda) else ast.iter_child_nodes(node)
    return any(map(_alters, inner))


def _chains(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """Yield each name in a syntax tree with the attributes that follow it."""
    attributes, base = [], node
    while isinstance(base, ast.Attribute):
        attributes, base = [base.attr, *attributes], base.value
    if isinstance(base, ast.Name):
        yield (base.id, *attributes)
    else:
        for child in ast.iter_child_nodes(base):
            yield from _chains(child)


class Module:
    """One module of the package, taken apart; ``package`` is the one it stands in, or its own name if it is one."""

    def __init__(self, name: str, source: str, package: str, path: Path | None = None) -> None:
        self.path = path
        self.name, tree, lines = name, ast.parse(source), source.splitlines()
        self.statements = [Statement(line, lines) for line in tree.body if not _is_text(line)]
        self.bound: dict[str, list[Statement]] = {}
        self.imports: dict[str, list[tuple[str, str]]] = {}
        for each, *source_ in imports(tree, package):
            self.imports.setdefault(each, []).append(tuple(source_))
        for statement in self.statements:
            for each in statement.binds:
                self.bound.setdefault(each, []).append(statement)
        self.used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}

    @cached_property
    def running(self) -> list[Statement]:
        """Statements that count for all that load the module, since they do more than define."""
        return [statement for statement in self.statements if self._runs(statement.tree)]

    def _runs(self, tree: ast.stmt) -> bool:
        if isinstance(tree, ast.Import | ast.ImportFrom):
            return False
        above = [*getattr(tree, "bases", []), *getattr(tree, "keywords", [])]
        parents = [chain[0] for node in above for chain in _chains(node)]
        defines = isinstance(tree, FUNCTION | ast.ClassDef | ast.Assign | ast.AnnAssign) and not _alters(tree)
        known = any(name in self.bound or self.is_ours(name) for name in parents)  # a parent may know its children
        return not defines or known or not all(map(self._harmless, _called(tree)))

    def is_ours(self, name: str) -> bool:
        """Say whether an import binds a name to something of the package."""
        return any(source.split(".")[0] == PACKAGE for source, _ in self.imports.get(name, []))

    def _harmless(self, node: ast.expr) -> bool:
        chain = next(_chains(node), ("",))
        sources = self.imports.get(chain[0]) or [(chain[0], "")]
        full = {".".join(filter(None, [*source, *chain[1:]])) for source in sources}
        return chain[0] not in self.bound and full <= HARMLESS


@lru_cache(maxsize=512)
def _module(name: str, path: Path, package: str, mark: tuple[int, int]) -> Module:
    try:
        return Module(name, path.read_text(encoding="utf-8"), package, path)
    except SyntaxError as error:
        raise UserError(f"{path}: line {error.lineno}: expected Python, found {error.msg}; correct it") from error


class Reach:
    """What code reaches, step by step; ``source`` is the folder that holds the package."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.reached: dict[str, list[Statement]] = {}
        self.loaded: dict[str, Module | None] = {}
        self.followed: set[tuple[str, ...]] = set()
        self.waiting: list[tuple[Module, Statement]] = []

    def module(self, name: str) -> Module | None:
        """Return a module of the package, which is thereby loaded; None where there is no such one."""
        if name in self.loaded or name.split(".")[0] != PACKAGE:
            return self.loaded.get(name)
        folder = self.source.joinpath(*name.split("."))
        path, package = folder.with_suffix(".py"), name.rpartition(".")[0]
        if folder.is_dir():
            path, package = folder / "__init__.py", name
        self.loaded[name] = None
        if path.is_file():
            status = path.stat()
            module = self.loaded[name] = _module(name, path, package, (status.st_mtime_ns, status.st_size))
            self.module(name.rpartition(".")[0])
            self._reach(module, "", module.running)
            self.load(module)
        return self.loaded[name]

    def load(self, module: Module) -> None:
        """Load what a module imports, wherever the import stands."""
        for name, sources in module.imports.items():
            for source, member in sources:
                self.module(source)
                self.module(f"{source}.{member}")
            if name and name not in module.used and not module.is_ours(name):
                self._outside(module, name)  # imported for its effect, such as an accessor that it makes known

    def _reach(self, module: Module, name: str, statements: list[Statement]) -> None:
        key = f"{module.name}.{name}".rstrip(".")
        if statements and module.name and key not in self.reached:
            self.reached[key] = statements
            self.waiting += [(module, statement) for statement in statements]

    def _outside(self, module: Module, name: str) -> None:
        """Note that a name of a module is another package's."""
        if module.name:
            self.reached[f"{module.name}.{name}"] = [repr(module.imports[name])]

    def whole(self, name: str) -> None:
        """Reach all of a module."""
        if (module := self.module(name)) and (name,) not in self.followed:
            self.followed.add((name,))
            for each in [*module.bound, *module.imports]:
                self.name(module, (each,))

    def name(self, module: Module, chain: tuple[str, ...]) -> bool:
        """Reach what a name of a module stands for, with the attributes that follow it; say whether it is known."""
        first, rest = chain[0], chain[1:]
        sources, known = module.imports.get(first, []), first in module.bound or first in module.imports
        if (module.name, *chain) in self.followed:
            return known
        self.followed.add((module.name, *chain))
        for source, member in sources:
            if source.split(".")[0] != PACKAGE:
                self._outside(module, first)
            else:
                self.attribute(source, (member, *rest) if member else rest)
        self._reach(module, first, module.bound.get(first, []))
        for source, _ in module.imports.get("*", []):
            self.whole(source)
        return known

    def attribute(self, name: str, chain: tuple[str, ...]) -> None:
        """Reach what attributes of a module stand for; all of it where they can't be followed."""
        module = self.module(name)
        if module is None:
            return
        known = bool(chain) and self.name(module, chain)
        if chain and self.module(f"{name}.{chain[0]}"):
            self.attribute(f"{name}.{chain[0]}", chain[1:])
        elif not known:
            self.whole(name)

    def follow(self, module: Module, statement: Statement) -> None:
        """Reach all that a statement names."""
        for chain in statement.names:
            self.name(module, chain)
        for text, more in statement.modules:
            files = self.source.joinpath(PACKAGE).rglob("*.py")
            dotted = [".".join(path.relative_to(self.source).with_suffix("").parts) for path in files]
            for name in (name.removesuffix(".__init__") for name in dotted):
                if name == text or (more and name.startswith(text)):
                    self.whole(name)


def _followed(trees: list[ast.Module], root: Path) -> tuple[Reach, Module]:
    reach, cells = Reach(root / "src"), Module("", "\n".join(map(ast.unparse, trees)), "")
    reach.load(cells)
    reach.waiting += [(cells, statement) for statement in cells.statements]
    while reach.waiting:
        reach.follow(*reach.waiting.pop())
    return reach, cells


def modules(trees: list[ast.Module], root: Path) -> list[Path]:
    """List the files of the helpers that the code cells of a chapter load, be it only to import them; sorted."""
    reach, _ = _followed(trees, root)
    return sorted(module.path for module in reach.loaded.values() if module)


def of_cells(trees: list[ast.Module], root: Path) -> tuple[dict[str, list[str]], list[Path]]:
    """Return what the code cells of a chapter reach.

    Parameters
    ----------
    trees : list of ast.Module
        A syntax tree a cell.
    root : Path
        The repository.

    Returns
    -------
    definitions : dict of str to list of str
        Code by dotted name; what a module runs when it is loaded stands under the module's name.
    data : list of Path
        Files of ``data/`` that cells or definitions name: by their place, or by that of their folder.
    """
    reach, cells = _followed(trees, root)
    statements = [s for each in reach.reached.values() for s in each if isinstance(s, Statement)]
    exact = any(s.shows_docs for s in [*cells.statements, *statements])
    definitions = {
        key: [s if isinstance(s, str) else s.mark + s.text * exact for s in each]
        for key, each in sorted(reach.reached.items())
    }
    every = [*cells.statements, *statements]
    texts, joined = set().union(*(s.texts for s in every)), set().union(*(s.joined for s in every))
    return definitions, data_files(texts, joined, root / "data")


def data_files(texts: set[str], joined: set[str], data: Path) -> list[Path]:
    """List the shipped data files that texts name, sorted: by their place in ``data``, or a folder by its name.

    A word alone names a folder where it is ``joined`` to a path: "made" is also a word of records.
    """
    files = {p.relative_to(data): p for p in data.rglob("*") if p.is_file() and p.suffix not in PROSE}
    places = {place.as_posix() for place in files}
    short = {text for text in texts if len(text) < 200 and (text in joined or text in places or "/" in text)}
    named = {part for text in short for part in ([text] if text in places else PurePosixPath(text).parts)}
    return sorted(path for place, path in files.items() if {place.as_posix(), place.parts[0]} & named)
