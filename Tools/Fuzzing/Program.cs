using System.Diagnostics;
using NativeFfn.Fuzzing;
using SharpFuzz;

// Seeds are fixed so that a run that found something can be repeated.
const ulong MutationSeed = 1;

// More inputs than these say nothing new about what is broken.
const int MaxCrashes = 20;

switch (args)
{
    case []:
        Fuzzer.OutOfProcess.Run(static stream =>
        {
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            CheckpointFuzzTarget.Run(bytes.ToArray());
        });
        return 0;
    case ["seeds", string folder]:
        Directory.CreateDirectory(folder);
        foreach ((string name, byte[] bytes) in SeedCorpus.All)
        {
            File.WriteAllBytes(Path.Combine(folder, name), bytes);
        }

        return 0;
    case ["replay", .. string[] files]:
        foreach (string file in files)
        {
            Console.WriteLine($"{file}: {(CheckpointFuzzTarget.Run(File.ReadAllBytes(file)) ? "accepted" : "rejected")}");
        }

        return 0;
    case ["mutate", string seconds, string crashFolder, .. ([] or [_])] when double.TryParse(seconds, out double limit):
        return Mutate(TimeSpan.FromSeconds(limit), crashFolder, args.ElementAtOrDefault(3) ?? "");
    default:
        Console.Error.WriteLine("Usage: (nothing, under afl-fuzz) | seeds FOLDER | replay FILE... | mutate SECONDS CRASH_FOLDER [PREFIX]");
        return 2;
}

static int Mutate(TimeSpan limit, string crashFolder, string prefix)
{
    var mutator = new CheckpointMutator(MutationSeed, prefix);
    long start = Stopwatch.GetTimestamp();
    long cases = 0;
    int crashes = 0;
    for (; crashes < MaxCrashes && Stopwatch.GetElapsedTime(start) < limit; cases++)
    {
        byte[] bytes = mutator.Next();
        try
        {
            CheckpointFuzzTarget.Run(bytes);
        }
        catch (Exception crash)
        {
            Directory.CreateDirectory(crashFolder);
            string file = Path.Combine(crashFolder, $"crash-{crashes++}");
            File.WriteAllBytes(file, bytes);
            Console.WriteLine($"{file}: {crash.GetType().Name}: {crash.Message}");
        }
    }

    Console.WriteLine($"executions {cases}");
    Console.WriteLine($"crashes {crashes}");
    return crashes == 0 ? 0 : 1;
}
