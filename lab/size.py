"""How large the code is: lines, lines of code, and tokens a line of code, file by file.

    python lab/size.py [src/refnet lab ...]

A line of code holds a name, a sign, a number or a string; blank lines, comments and docstrings are
none. Calm code has about 7.5 tokens a line.
"""

import argparse
import ast
import io
import tokenize
from pathlib import Path

import refnet

ROOT = Path(__file__).resolve().parents[1]
KINDS = {tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstring_lines(source):
    """Return the numbers of the lines that docstrings take."""
    lines = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines |= set(range(docstring.lineno, docstring.end_lineno + 1))
    return lines


def size(source):
    """Return lines, lines of code, and tokens on these."""
    documentation = docstring_lines(source)
    code = set()
    tokens = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        first, last = token.start[0], token.end[0]
        if token.type in KINDS and first not in documentation:
            code |= set(range(first, last + 1))
            tokens += 1
    return len(source.splitlines()), len(code), tokens


def main(paths=("src/refnet",)):
    """Print a row for each file and one for all of them; return the rows by file."""
    rows = {}
    for path in paths:
        place = ROOT / path
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        for file in files:
            rows[str(file.relative_to(ROOT))] = size(file.read_text(encoding="utf-8"))
    rows["all"] = tuple(map(sum, zip(*rows.values(), strict=True)))
    print(f"{'lines':>6}{'code':>6}{'tokens a line':>15}  file")
    for name, (lines, code, tokens) in rows.items():
        print(f"{lines:>6}{code:>6}{tokens / max(code, 1):>15.1f}  {name}")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", default=["src/refnet"], help="files or folders")
    refnet.run_script(main, parser)
