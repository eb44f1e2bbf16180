#!/usr/bin/env python3
"""Times the SwiGLU layer with its residual in PyTorch, eager and compiled, the way `bench gpu` times NativeFfn.

Formula: y = x + down(silu(gate(x)) * up(x)), without biases; gate and up are one matrix [2*d_ff, d_model], as serving engines have them.
In fp8 a weight has one scale for each row, and the rows of each product get one for each token in every forward.
Copies of the weights, all random, take turns until twice the device's L2 cache has passed between two turns of one. Forwards are queued
one behind the other with a CUDA event between each two; medians of the times between events, the first batch left out. The results go to
standard output, or after each row to a file, as JSON in the form of `bench gpu`'s reports; progress goes to standard error.

It was written on a machine without PyTorch and without a GPU: read, and its flow run on a stand-in, but never run with PyTorch.
'--device cpu --shape 64x176 --tokens 1,8' tries it without a GPU; its times are then the processor's and say nothing.
"""

import argparse
import json
import os
import statistics
import sys
import time

BATCH = 32  # forwards that are queued before anything is waited for, as in `bench gpu`
MINIMUM_BATCHES = 2
MAXIMUM_BATCHES = 10_000
CACHES = 2  # caches that pass between two turns of a copy
MOST_COPIES = 64
CPU_CACHE_BYTES = 1 << 20  # of the trial without a GPU
LARGE_CACHE_BYTES = 128 << 20  # where PyTorch does not tell: as much as any device has
SEED = 1
LARGEST_E4M3 = 448.0
LEAST_SCALE = 1e-12  # of a row of zeros, which is divided by it
LARGEST_ERROR = 0.2  # what was computed of wrong numbers is off by about 1, and E4M3 by some hundredths

# Of each subject, where none is named: compiling takes a minute for each token count and precision.
PRECISIONS = {"eager": ["bf16", "f16", "fp8", "tf32"], "compiled": ["bf16", "f16"]}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="4096x14336", metavar="D_MODELxD_FF")
    parser.add_argument("--tokens", default="1,8,64,512,4096", metavar="LIST")
    parser.add_argument("--precision", metavar="LIST", help="of bf16, f16, fp8, tf32, f32; all but f32 if left out, compiled in the first two")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each number; two batches are run in any case")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, N or cpu")
    parser.add_argument("--subjects", default="eager,compiled", metavar="LIST", help="eager, compiled")
    parser.add_argument("--json", metavar="FILE", help="a file in the place of standard output")
    arguments, ours = parser.parse_known_args()
    if ours:
        say(f"not understood here, and left out: {' '.join(ours)}")
    if arguments.device.isdigit():
        arguments.device = f"cuda:{arguments.device}"
    for subject in arguments.subjects.split(","):
        if subject not in PRECISIONS:
            parser.error(f"--subjects has '{subject}', but takes {' and '.join(PRECISIONS)}")
    return arguments


def say(text):
    print(text, file=sys.stderr, flush=True)


class Clock:
    """Times queued work: by events of the device, or on a processor by its own clock."""

    def __init__(self, torch, device):
        self.torch = torch
        self.is_gpu = device.type == "cuda"

    def measure(self, seconds, queue):
        """Median, minimum and number of the milliseconds of queue(0), queue(1), ..., after a batch that is not kept."""
        run = self._batch_on_gpu if self.is_gpu else self._batch_on_cpu
        run(0, queue)
        times = []
        start = time.perf_counter()
        for batch in range(1, MAXIMUM_BATCHES + 1):
            if batch > MINIMUM_BATCHES and time.perf_counter() - start >= seconds:
                break
            times += run(batch * BATCH, queue)
        return statistics.median(times), min(times), len(times)

    def _batch_on_gpu(self, first, queue):
        marks = [self.torch.cuda.Event(enable_timing=True) for _ in range(BATCH + 1)]
        marks[0].record()
        for i in range(BATCH):
            queue(first + i)
            marks[i + 1].record()
        marks[BATCH].synchronize()
        return [marks[i].elapsed_time(marks[i + 1]) for i in range(BATCH)]

    @staticmethod
    def _batch_on_cpu(first, queue):
        times = []
        for i in range(BATCH):
            before = time.perf_counter()
            queue(first + i)
            times.append((time.perf_counter() - before) * 1e3)
        return times


def make_layer_type(torch):
    class Float8Linear(torch.nn.Module):
        """A product in E4M3: one scale for each row of the weight, made here, and one for each token, made in every forward."""

        def __init__(self, inputs, outputs, device):
            super().__init__()
            exact = torch.empty(outputs, inputs, device=device, dtype=torch.float32)
            torch.nn.init.xavier_uniform_(exact)
            scale = exact.abs().amax(dim=1, keepdim=True) / LARGEST_E4M3
            self.register_buffer("weight", (exact / scale).to(torch.float8_e4m3fn))
            self.register_buffer("scale", scale.t().contiguous())

        def forward(self, x):
            scale = x.abs().amax(dim=-1, keepdim=True).float().clamp(min=LEAST_SCALE) / LARGEST_E4M3
            narrow = (x.float() / scale).to(torch.float8_e4m3fn)
            return torch._scaled_mm(
                narrow, self.weight.t(), scale_a=scale, scale_b=self.scale, out_dtype=torch.bfloat16, use_fast_accum=False)

    class SwiGlu(torch.nn.Module):
        def __init__(self, d_model, d_ff, device, precision):
            super().__init__()
            (self.d_model, self.d_ff) = (d_model, d_ff)
            self.gate_up = self.make_linear(d_model, 2 * d_ff, device, precision)
            self.down = self.make_linear(d_ff, d_model, device, precision)
            self.requires_grad_(False)

        @staticmethod
        def make_linear(inputs, outputs, device, precision):
            if precision == "fp8":
                return Float8Linear(inputs, outputs, device)
            linear = torch.nn.Linear(inputs, outputs, bias=False, device=device, dtype=row_type(torch, precision))
            torch.nn.init.xavier_uniform_(linear.weight)
            return linear

        def forward(self, x):
            gate, up = self.gate_up(x).split(self.d_ff, dim=-1)
            return x + self.down(torch.nn.functional.silu(gate) * up)

    return SwiGlu


def row_type(torch, precision):
    """The type of the rows: that of the weights, and bfloat16 beside weights in E4M3."""
    return {"bf16": torch.bfloat16, "f16": torch.float16, "fp8": torch.bfloat16, "f32": torch.float32, "tf32": torch.float32}[precision]


def copies_for(weight_bytes, cache_bytes):
    """How many copies take turns, and whether they are enough; the rule of `bench gpu`'s Rotation."""
    others = max(1, -(-CACHES * cache_bytes // weight_bytes))
    return min(others + 1, MOST_COPIES), others < MOST_COPIES


def cache_bytes(torch, device):
    if device.type != "cuda":
        return CPU_CACHE_BYTES
    return getattr(torch.cuda.get_device_properties(device), "L2_cache_size", LARGE_CACHE_BYTES)


def exact_weight(linear):
    """The weight that a product multiplies with, in double."""
    weight = linear.weight.float().double()
    return weight * linear.scale.t().double() if hasattr(linear, "scale") else weight


def check(torch, layer, x, y):
    """Relative L2 error against float64 of what the layer adds to x, for the first and the last row."""
    rows = [0, x.shape[0] - 1]
    exact = x[rows].double()
    gate, up = (exact @ exact_weight(layer.gate_up).T).split(layer.d_ff, dim=-1)
    branch = (torch.nn.functional.silu(gate) * up) @ exact_weight(layer.down).T
    error = (y[rows].double() - exact - branch).norm(dim=1) / branch.norm(dim=1)
    return error.max().item()


def compile_copies(torch, layers):
    """Every copy compiled for itself, so that each has CUDA graphs with its own weights' addresses."""
    torch._dynamo.reset()
    limits = torch._dynamo.config
    for name in ("recompile_limit", "cache_size_limit"):  # the newer and the older name of one setting
        if hasattr(limits, name):
            setattr(limits, name, max(getattr(limits, name), 2 * len(layers)))
    return [torch.compile(layer, mode="max-autotune", fullgraph=True, dynamic=False) for layer in layers]


def keep_in_place(torch, x):
    """Tells the compiler that x stays where it is, so that no graph copies it first."""
    try:
        torch._dynamo.mark_static_address(x, guard=False)
    except Exception as missing:  # an older PyTorch: the copy of the rows is then a part of its time
        say(f"rows are copied into the graphs: {type(missing).__name__}: {missing}")


def measure_one(torch, arguments, device, subject, name, layers, count):
    """Median, minimum and number of the milliseconds of a forward, and the error of its answer."""
    first = layers[0]
    x = torch.rand(count, first.d_model, device=device, dtype=torch.float32).mul_(2).sub_(1).to(row_type(torch, name))
    if subject == "compiled":
        keep_in_place(torch, x)
        forwards = compile_copies(torch, layers)
    else:
        forwards = layers
    for _ in range(3):  # compiles, records and warms up
        for forward in forwards:
            forward(x)
    error = check(torch, first, x, forwards[0](x).clone())
    if not error <= LARGEST_ERROR:
        raise ArithmeticError(f"the answer is off by {error:.1e} of what the layer adds; {LARGEST_ERROR} is allowed")
    return Clock(torch, device).measure(arguments.seconds, lambda run: forwards[run % len(forwards)](x)) + (error,)


def measure_precision(torch, arguments, device, subject, name, shape, tokens):
    """Rows of a subject in a precision, one after the other."""
    torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    layer_type = make_layer_type(torch)
    first = layer_type(*shape, device, name)
    weight_bytes = sum(linear.weight.numel() * linear.weight.element_size() for linear in (first.gate_up, first.down))
    copies, is_past_cache = copies_for(weight_bytes, cache_bytes(torch, device))
    layers = [first] + [layer_type(*shape, device, name) for _ in range(copies - 1)]
    for count in tokens:
        say(f"{subject} {name}, {count} tokens")
        try:
            median, shortest, runs, error = measure_one(torch, arguments, device, subject, name, layers, count)
        except Exception as failure:  # what one row lacks, such as a compiler, should not hide the others
            say(f"{subject} {name}, {count} tokens: left out: {type(failure).__name__}: {failure}")
            continue
        yield {
            "subject": f"torch {subject}", "precision": name, "tokens": count, "deviceMs": median, "deviceMinMs": shortest, "runs": runs,
            "weightBytes": weight_bytes, "weightCopies": copies, "isPastCache": is_past_cache, "relativeL2": error,
        }


def write_report(torch, arguments, device, shape, rows):
    """Writes all rows so far, to a file that appears whole; the end of a run that is cut short loses one row."""
    report = {
        "program": "PyTorch",
        "version": f"{torch.__version__}, CUDA {torch.version.cuda}",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "a processor",
        "dModel": shape[0],
        "dFf": shape[1],
        "rows": rows,
    }
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    if arguments.json:
        with open(arguments.json + ".partial", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(file.name, arguments.json)
    return text


def main():
    arguments = parse_arguments()
    try:
        import torch
    except ImportError as missing:
        say(f"torch_ffn.py: error: PyTorch is not here: {missing}")
        return 2

    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        say("torch_ffn.py: error: PyTorch sees no GPU; '--device cpu --shape 64x176' tries this script without one")
        return 2

    if device.type == "cuda":
        torch.cuda.set_device(device if device.index is not None else 0)

    shape = tuple(int(word) for word in arguments.shape.lower().split("x"))
    tokens = [int(word) for word in arguments.tokens.split(",")]
    torch.manual_seed(SEED)
    rows = []
    text = ""
    with torch.no_grad():
        for subject in arguments.subjects.split(","):
            for name in arguments.precision.split(",") if arguments.precision else PRECISIONS[subject]:
                if name not in PRECISIONS["eager"] + ["f32"]:
                    say(f"{subject} {name}: left out; there is no such precision here")
                    continue
                try:
                    for row in measure_precision(torch, arguments, device, subject, name, shape, tokens):
                        rows.append(row)
                        text = write_report(torch, arguments, device, shape, rows)
                except Exception as failure:  # such as a type that this PyTorch does not have
                    say(f"{subject} {name}: left out: {type(failure).__name__}: {failure}")
    if not arguments.json:
        print(text, end="")
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
