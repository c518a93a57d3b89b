"""Lets `papermill in.ipynb out.ipynb -k jook -p epochs 5` set the parameters of a Jook notebook.

papermill knows no Rust: it writes values as the class here does, in a cell after the one tagged `parameters`. A value
is written as its default is; whether it is in the type's range is up to the compiler. `jook run -p` does the same
without Python, and checks that, and the names, before anything runs.
"""

import math
import re

from papermill.engines import NBClientEngine as Engine  # noqa: F401, see pyproject.toml
from papermill.models import Parameter
from papermill.translators import Translator, papermill_translators

NUMBER = re.compile(r"-?\d[\d_]*(\.[\d_]*)?([eE][-+]?\d+)?_?([iuf](?:8|16|32|64|size))?")
LET = re.compile(r"^\s*let\s+(mut\s+)?(\w+)\s*(?::\s*([^=]+?))?\s*=\s*(.+?);\s*(?://\s*(.*))?$", re.M)


def quoted(text):
    """A Rust string literal that nothing gets out of."""
    plain = {'"': '\\"', "\\": "\\\\", "\n": "\\n"}
    return '"' + "".join(plain.get(c, c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text) + '"'


def literal(value, annotation, default):
    """`value` as Rust has it where the default is of this type and form."""
    if annotation.startswith("Option<") or default.startswith("Some("):
        inside = annotation[7:-1], default[5:-1] if default.startswith("Some(") else ""
        return "None" if value is None else f"Some({literal(value, *inside)})"
    if isinstance(value, (list, tuple)):
        begin = re.match(r"&?\[", annotation) or re.match(r"&?\[", default)
        of = re.sub(r"^(Vec<|&?\[)|(;[^;]*\]|[>\]])$", "", annotation)
        first = re.sub(r"^(vec!|&)?\[|\]$", "", default).split(",")[0].strip()
        return (begin.group() if begin else "vec![") + ", ".join(literal(each, of, first) for each in value) + "]"
    if annotation == "String" or re.match(r'String::|".*"\.to_(string|owned)\(\)', default):
        return f"String::from({quoted(str(value))})"
    if "str" in annotation or default.startswith('"'):
        return quoted(str(value))
    if annotation == "bool" or default in ("true", "false"):
        if str(value).lower() not in ("true", "false"):
            raise ValueError(f"{value!r} is neither true nor false")
        return str(value).lower()
    form = NUMBER.fullmatch(default)
    if annotation in ("f32", "f64") or form and (form[1] or form[2] or (form[3] or "").startswith("f")):
        return number(value, (int, float), float) + (form and form[3] or "")
    if re.fullmatch(r"[iu](\d+|size)", annotation) or form:
        return number(value, int, int) + (form and form[3] or "")
    # No default to go by.
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    return number(value, (int, float), type(value))


def number(value, kinds, of):
    if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
        raise ValueError(f"{value!r} does not fit a Rust parameter of the kind {of.__name__}")
    return repr(of(value))


class RustTranslator(Translator):
    # The defaults of the notebook at hand: papermill reads them just before it writes the values.
    known = {}

    @classmethod
    def inspect(cls, parameters_cell):
        found = LET.findall(parameters_cell.get("source", ""))
        cls.known = {name: (mut, annotation, default) for mut, name, annotation, default, _ in found}
        return [Parameter(name, annotation or "None", default, note) for _, name, annotation, default, note in found]

    @classmethod
    def codify(cls, parameters, comment="Parameters"):
        known, cls.known = cls.known, {}
        lines = [f"// {comment}"]
        for name, value in parameters.items():
            if not name.isidentifier():
                raise ValueError(f"{name!r} is no name that a variable can have")
            mut, annotation, default = known.get(name, ("", "", ""))
            of = f": {annotation}" if annotation else ""
            lines.append(f"let {mut}{name}{of} = {literal(value, annotation, default)};")
        return "\n".join(lines)


papermill_translators.register("jook", RustTranslator)
