#!/usr/bin/env python3
"""Times the SwiGLU layer with its residual in PyTorch, eager and compiled, the way NativeFfn.GpuComparison times NativeFfn.

Formula: y = x + down(silu(gate(x)) * up(x)), without biases; gate and up are one matrix [2*d_ff, d_model], as serving engines have them.
Copies of the weights, all random, take turns until twice the device's L2 cache has passed between two turns of one. Forwards are queued
one behind the other with a CUDA event between each two; medians of the times between events, the first batch left out. The results go to
standard output as JSON in the form of NativeFfn.GpuComparison's reports; progress goes to standard error.

It was written on a machine without PyTorch and without a GPU: compiled by python3 -m py_compile and read, not run.
'--device cpu --shape 64x176 --tokens 1,8' tries it without a GPU; its times are then the processor's and say nothing.
"""

import argparse
import json
import statistics
import sys
import time

BATCH = 32  # forwards that are queued before anything is waited for, as in NativeFfn.GpuComparison
MINIMUM_BATCHES = 2
MAXIMUM_BATCHES = 10_000
CACHES = 2  # caches that pass between two turns of a copy
MOST_COPIES = 64
CPU_CACHE_BYTES = 1 << 20  # of the trial without a GPU
LARGE_CACHE_BYTES = 128 << 20  # where PyTorch does not tell: as much as any device has
SEED = 1


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="4096x14336", metavar="D_MODELxD_FF")
    parser.add_argument("--tokens", default="1,8,64,512,4096", metavar="LIST")
    parser.add_argument("--precision", default="bf16", metavar="LIST", help="bf16, f16, f32, tf32; others are left out with a line that says so")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each number; two batches are run in any case")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--subjects", default="eager,compiled", metavar="LIST")
    parser.add_argument("--json", metavar="FILE", help="a file in the place of standard output")
    return parser.parse_args()


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
    class SwiGlu(torch.nn.Module):
        def __init__(self, d_model, d_ff, device, dtype):
            super().__init__()
            self.d_ff = d_ff
            self.gate_up = torch.nn.Linear(d_model, 2 * d_ff, bias=False, device=device, dtype=dtype)
            self.down = torch.nn.Linear(d_ff, d_model, bias=False, device=device, dtype=dtype)
            for linear in (self.gate_up, self.down):
                torch.nn.init.xavier_uniform_(linear.weight)
            self.requires_grad_(False)

        def forward(self, x):
            gate, up = self.gate_up(x).split(self.d_ff, dim=-1)
            return x + self.down(torch.nn.functional.silu(gate) * up)

    return SwiGlu


def copies_for(weight_bytes, cache_bytes):
    """How many copies take turns, and whether they are enough; the rule of NativeFfn.GpuComparison's Rotation."""
    others = max(1, -(-CACHES * cache_bytes // weight_bytes))
    return min(others + 1, MOST_COPIES), others < MOST_COPIES


def cache_bytes(torch, device):
    if device.type != "cuda":
        return CPU_CACHE_BYTES
    return getattr(torch.cuda.get_device_properties(device), "L2_cache_size", LARGE_CACHE_BYTES)


def check(torch, layer, x, y):
    """Relative L2 error against float64 of what the layer adds to x, for the first and the last row."""
    rows = [0, x.shape[0] - 1]
    exact = x[rows].double()
    gate, up = (exact @ layer.gate_up.weight.double().T).split(layer.d_ff, dim=-1)
    branch = (torch.nn.functional.silu(gate) * up) @ layer.down.weight.double().T
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


def measure_precision(torch, arguments, device, name, d_model, d_ff, tokens):
    dtypes = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32, "tf32": torch.float32}
    if name not in dtypes:
        say(f"{name}: left out; there is no such precision here")
        return []

    dtype = dtypes[name]
    torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    layer_type = make_layer_type(torch)
    first = layer_type(d_model, d_ff, device, dtype)
    weight_bytes = sum(weight.numel() * weight.element_size() for weight in first.parameters())
    cache = cache_bytes(torch, device)
    copies, is_past_cache = copies_for(weight_bytes, cache)
    layers = [first] + [layer_type(d_model, d_ff, device, dtype) for _ in range(copies - 1)]
    clock = Clock(torch, device)
    rows = []
    for subject in arguments.subjects.split(","):
        for count in tokens:
            say(f"{subject} {name}, {count} tokens")
            x = torch.rand(count, d_model, device=device, dtype=torch.float32).mul_(2).sub_(1).to(dtype)
            try:
                forwards = compile_copies(torch, layers) if subject == "compiled" else layers
                for _ in range(3):  # compiles, records and warms up
                    for forward in forwards:
                        y = forward(x)
                y = forwards[0](x).clone()
                error = check(torch, first, x, y)
                median, shortest, runs = clock.measure(arguments.seconds, lambda run: forwards[run % copies](x))
            except Exception as failure:  # what one subject lacks, such as a compiler, should not hide the others
                say(f"{subject} {name}, {count} tokens: {type(failure).__name__}: {failure}")
                continue
            rows.append({
                "subject": f"torch {subject}", "precision": name, "tokens": count, "deviceMs": median, "deviceMinMs": shortest, "runs": runs,
                "weightBytes": weight_bytes, "weightCopies": copies, "isPastCache": is_past_cache, "relativeL2": error,
            })
    return rows


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

    d_model, d_ff = (int(word) for word in arguments.shape.lower().split("x"))
    tokens = [int(word) for word in arguments.tokens.split(",")]
    torch.manual_seed(SEED)
    rows = []
    with torch.no_grad():
        for name in arguments.precision.split(","):
            rows += measure_precision(torch, arguments, device, name, d_model, d_ff, tokens)
    report = {
        "program": "PyTorch",
        "version": f"{torch.__version__}, CUDA {torch.version.cuda}",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "a processor",
        "dModel": d_model,
        "dFf": d_ff,
        "rows": rows,
    }
    text = json.dumps(report, indent=2)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    else:
        print(text)
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
