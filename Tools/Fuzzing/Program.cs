using System.Diagnostics;
using NativeFfn.Fuzzing.Requests;
using SharpFuzz;

namespace NativeFfn.Fuzzing;

/// <summary>Fuzzes the checkpoint reader, under afl-fuzz or by mutations, and the server's requests.</summary>
internal static class Program
{
    // Seeds are fixed so that a run that found something can be repeated.
    private const int MutationSeed = 1;

    // More inputs than these say nothing new about what is broken.
    private const int MaxCrashes = 20;

    private static async Task<int> Main(string[] args)
    {
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
                return Mutate(TimeSpan.FromSeconds(limit), long.MaxValue, crashFolder, args.ElementAtOrDefault(3) ?? "");
            case ["mutate", [.. string times, 'x'], string crashFolder, .. ([] or [_])] when long.TryParse(times, out long executions):
                return Mutate(TimeSpan.MaxValue, executions, crashFolder, args.ElementAtOrDefault(3) ?? "");
            case ["requests", string count, string crashFolder] when int.TryParse(count, out int executions):
                return await RequestAsync(executions, crashFolder);
            default:
                Console.Error.WriteLine(
                    "Usage: (nothing, under afl-fuzz) | seeds FOLDER | replay FILE... | mutate SECONDS|COUNTx CRASH_FOLDER [PREFIX] | " +
                    "requests COUNT CRASH_FOLDER");
                return 2;
        }
    }

    private static int Mutate(TimeSpan limit, long executions, string crashFolder, string prefix)
    {
        var mutator = new CheckpointMutator(MutationSeed, prefix);
        long start = Stopwatch.GetTimestamp();
        long cases = 0;
        long accepted = 0;
        int crashes = 0;
        for (; crashes < MaxCrashes && cases < executions && Stopwatch.GetElapsedTime(start) < limit; cases++)
        {
            byte[] bytes = mutator.Next();
            try
            {
                accepted += CheckpointFuzzTarget.Run(bytes) ? 1 : 0;
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
        Console.WriteLine($"accepted {accepted}");
        Console.WriteLine($"crashes {crashes}");
        return crashes == 0 ? 0 : 1;
    }

    // So many requests of every way, and which answers they had.
    private static async Task<int> RequestAsync(int executions, string crashFolder)
    {
        int crashes = 0;
        await using RequestFuzzTarget target = await RequestFuzzTarget.StartAsync();
        foreach (RequestWay way in Enum.GetValues<RequestWay>())
        {
            var mutator = new RequestMutator(way, MutationSeed);
            var answers = new SortedDictionary<string, int>(StringComparer.Ordinal);
            int done = 0;
            for (; done < executions && crashes < MaxCrashes; done++)
            {
                FuzzRequest request = mutator.Next();
                try
                {
                    string answer = await target.RunAsync(request);
                    answers[answer] = answers.GetValueOrDefault(answer) + 1;
                }
                catch (Exception crash)
                {
                    Directory.CreateDirectory(crashFolder);
                    string file = Path.Combine(crashFolder, $"{way}-{crashes++}");
                    File.WriteAllText(file, $"{request}\n{crash}");
                    Console.WriteLine($"{file}: {crash.GetType().Name}: {crash.Message}");
                }
            }

            Console.WriteLine(
                $"{way}: executions {done}, answers {string.Join(", ", answers.Select(static pair => $"{pair.Key}: {pair.Value}"))}");
        }

        Console.WriteLine($"crashes {crashes}");
        return crashes == 0 ? 0 : 1;
    }
}
