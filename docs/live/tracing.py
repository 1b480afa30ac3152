"""Functions of refnet.by_hand as lists of array operations: called on arrays without numbers.

``program(f, inputs)`` calls f with one traced array for each input and returns what f did, a
static graph: steps ``[operation, result, *arguments]``, where a string names a value and a number
is a constant. ``execute`` runs such a program in NumPy, as the page does in WebAssembly.
"""

from unittest.mock import patch

import numpy as np

from refnet import by_hand

UNARY = {
    np.exp: "exp",
    np.log: "log",
    np.sqrt: "sqrt",
    np.abs: "abs",
    np.cos: "cos",
    np.sin: "sin",
    np.tanh: "tanh",
    np.negative: "neg",
    np.square: "square",
}
BINARY = {
    np.add: "add",
    np.subtract: "sub",
    np.multiply: "mul",
    np.divide: "div",
    np.maximum: "max",
    np.greater: "gt",
    np.greater_equal: "ge",
    np.power: "pow",
}
CONVOLUTION = "ncijuv,ocuv->noij"  # how by_hand writes the sum over a window


class Recorder:
    """What has been done so far, and the shape of each value."""

    def __init__(self, inputs):
        self.shapes = dict(inputs)
        self.steps = []
        self.known = {}

    def add(self, operation, shape, *arguments):
        """Record an operation, unless the same was done before, and return its result."""
        names = [a.name if isinstance(a, Traced) else a for a in arguments]
        key = (operation, tuple(shape), *names)
        if key not in self.known:
            name = f"v{len(self.shapes)}"
            self.shapes[name] = tuple(shape)
            self.steps.append([operation, name, *names])
            self.known[key] = name
        return Traced(self, self.known[key], shape)


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array without numbers: it has a shape, and what is done to it is recorded."""

    def __init__(self, recorder, name, shape):
        self.recorder = recorder
        self.name = name
        self.shape = tuple(int(n) for n in shape)

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def size(self):
        return int(np.prod(self.shape))

    def __len__(self):
        return self.shape[0]

    @property
    def T(self):  # noqa: N802 - as NumPy calls it
        return self.recorder.add("transpose", self.shape[::-1], self)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if method != "__call__" or options.keys() - {"out"}:  # z -= 1 makes a new z
            return NotImplemented
        arguments = [a if isinstance(a, Traced) else float(a) for a in inputs]
        shapes = [np.shape(a) if isinstance(a, float) else a.shape for a in arguments]
        if ufunc is np.matmul:
            return self.recorder.add("matmul", (shapes[0][0], shapes[1][1]), *arguments)
        if ufunc is np.power and isinstance(arguments[1], float) and arguments[1] == 2:
            return self.recorder.add("square", self.shape, self)
        operation = UNARY.get(ufunc) or BINARY[ufunc]
        return self.recorder.add(operation, np.broadcast_shapes(*shapes), *arguments)

    def __array_function__(self, function, types, arguments, options):
        if function is np.where:
            condition, a, b = arguments  # both are finite here, so a blend of them will do
            return b + condition * (a - b)
        if function is np.lib.stride_tricks.sliding_window_view:
            return self._windows(arguments[1])
        if function is np.einsum and arguments[0] == CONVOLUTION:
            return self._convolution(*arguments[1:])
        if function is np.hstack:
            return self._join(*arguments[0])
        return NotImplemented

    def _join(self, left, right):
        shape = (len(left), left.shape[1] + right.shape[1])
        return self.recorder.add("join", shape, left, right)

    def _windows(self, sides):
        height, width = self.shape[2:]
        if self.shape[:2] != (1, 1):
            return NotImplemented
        rows, columns = height - sides[0] + 1, width - sides[1] + 1
        return self.recorder.add("windows", (1, 1, rows, columns, *sides), self, *sides)

    def _convolution(self, windows, filters):
        rows, columns, *sides = windows.shape[2:]
        many = windows.reshape(rows * columns, int(np.prod(sides)))
        sums = filters.reshape(len(filters), many.shape[1]) @ many.T
        return sums.reshape(1, len(filters), rows, columns)

    def reshape(self, *shape):
        return self.recorder.add("reshape", shape, self)

    def sum(self, axis=None, keepdims=False):
        return self._reduce("sum", axis, keepdims)

    def max(self, axis=None, keepdims=False):
        return self._reduce("max", axis, keepdims)

    def mean(self, axis=None, keepdims=False):
        number = self.size if axis is None else self.shape[axis]
        return self.sum(axis, keepdims) / number

    def var(self, axis, ddof=0):
        deviations = self - self.mean(axis, keepdims=True)
        return (deviations**2).sum(axis) / (self.shape[axis] - ddof)

    def _reduce(self, operation, axis, keepdims):
        if axis is None:
            return self.recorder.add(operation, (), self)
        kept = [1 if i == axis else n for i, n in enumerate(self.shape)]
        shape = kept if keepdims else kept[:axis] + kept[axis + 1 :]
        return self.recorder.add(f"{operation}{axis}", shape, self)

    def __getitem__(self, key):
        if any(k is None for k in key):  # b[:, None, None]: more axes, the same numbers
            return self.reshape(*(1 if k is None else self.shape[0] for k in key))
        return self.recorder.add("pick", (len(self),), self, self._labels(key))

    def __setitem__(self, key, value):
        self.name = self.recorder.add("put", self.shape, self, self._labels(key), value).name

    def _labels(self, key):
        rows, labels = key
        if not np.array_equal(rows, np.arange(len(self))):
            raise IndexError(f"tracing: expected one element of each row, got {key}.")
        return labels


def program(f, inputs):
    """Return f, which maps a dict of arrays to a dict of arrays, without what nothing needs."""
    recorder = Recorder({name: tuple(shape) for name, shape in inputs.items()})
    arguments = {name: Traced(recorder, name, shape) for name, shape in inputs.items()}
    with patch.object(by_hand, "float", lambda value: value, create=True):
        results = f(arguments)  # what by_hand makes a float of is a traced number, and stays one
    outputs = {name: value.name for name, value in results.items()}
    needed = set(outputs.values())
    steps = []
    for step in reversed(recorder.steps):
        if step[1] in needed:
            steps.insert(0, step)
            needed.update(a for a in step[2:] if isinstance(a, str))
    names = [*inputs, *(step[1] for step in steps)]
    shapes = {name: list(recorder.shapes[name]) for name in names}
    return {"inputs": list(inputs), "shapes": shapes, "steps": steps, "outputs": outputs}


def execute(program, values, dtype=np.float64):
    """Run a program in NumPy on a dict of arrays and return its outputs."""
    known = {}
    for name in program["inputs"]:
        known[name] = np.asarray(values[name], None if name == "labels" else dtype)
    for operation, result, *arguments in program["steps"]:
        inputs = [known[a] if isinstance(a, str) else dtype(a) for a in arguments]
        value = OPERATIONS[operation](*inputs)
        known[result] = value.reshape(program["shapes"][result])
        if known[result].dtype == bool:
            known[result] = known[result].astype(dtype)
    return {name: known[value] for name, value in program["outputs"].items()}


def _put(z, labels, value):
    z = z.copy()
    z[np.arange(len(z)), labels] = value
    return z


def _windows(x, height, width):
    sides = (int(height), int(width))
    return np.lib.stride_tricks.sliding_window_view(x, sides, axis=(2, 3))


OPERATIONS = {operation: ufunc for ufunc, operation in (UNARY | BINARY).items()} | {
    "matmul": np.matmul,
    "transpose": np.transpose,
    "max": lambda a, *b: np.maximum(a, *b) if b else a.max(),
    "sum": np.sum,
    "sum0": lambda a: a.sum(0),
    "sum1": lambda a: a.sum(1),
    "max1": lambda a: a.max(1),
    "pick": lambda z, labels: z[np.arange(len(z)), labels],
    "put": _put,
    "join": lambda a, b: np.hstack([a, b]),
    "windows": _windows,
    "reshape": lambda a: a,
}
