using BenchmarkDotNet.Running;

BenchmarkSwitcher.FromAssembly(typeof(NativeFfn.Benchmarks.ForwardBenchmarks).Assembly).Run(args);
