using Microsoft.Extensions.Options;
using NativeFfn.Hosting.Serving;

namespace NativeFfn.Hosting;

/// <summary>Holds options against what they may be; every failure names the key, the value, and what is allowed.</summary>
internal sealed class OptionsValidator : IValidateOptions<NativeFfnOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, NativeFfnOptions options)
    {
        var failures = new Failures(options.Section);
        failures.Require(BackendNames.TryParse(options.Backend, out _), nameof(options.Backend), options.Backend);
        failures.Require(options.Threads is >= 0 and <= FfnEngineOptions.MaxThreads, nameof(options.Threads), options.Threads);
        failures.Require(CpuKernelNames.TryParse(options.Kernel, out _), nameof(options.Kernel), options.Kernel);
        failures.Require(FfnPrecisionNames.TryParse(options.Precision, out _), nameof(options.Precision), options.Precision);
        failures.Require(options.Device is >= 0 and <= OptionTable.MaxDevice, nameof(options.Device), options.Device);
        failures.Require(options.DrainTimeout >= TimeSpan.Zero && options.DrainTimeout <= OptionTable.MaxWait, nameof(options.DrainTimeout), options.DrainTimeout);
        CheckModels(options, failures);
        CheckBatching(options.Batching, failures);
        CheckWarmup(options, failures);
        return failures.ToResult();
    }

    private static void CheckModels(NativeFfnOptions options, Failures failures)
    {
        if (options.Models.Count == 0)
        {
            failures.Add(nameof(options.Models), "is empty. Name at least one model, with the Path of its checkpoint.");
        }

        foreach ((string name, FfnModelOptions model) in options.Models)
        {
            string path = OptionTable.ModelKey(nameof(model.Path), name);
            if (!name.All(static letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.'))
            {
                failures.Add($"{nameof(options.Models)}:{name}", "is no name for a model. Use letters, digits, '-', '_' and '.', which need no escaping in addresses.");
            }

            if (!LayerSelection.TryParse(model.Layers, out _))
            {
                failures.Refuse(OptionTable.ModelKey(nameof(model.Layers), name), OptionTable.ModelKey(nameof(model.Layers)), model.Layers);
            }

            if (model.MadeByCode.Count > 0)
            {
                if (model.Path is not null || model.Layers is not null)
                {
                    failures.Add($"{nameof(options.Models)}:{name}", "has layers made by code. Leave out its Path and Layers, or give them another name.");
                }
            }
            else if (string.IsNullOrEmpty(model.Path))
            {
                failures.Refuse(path, OptionTable.ModelKey(nameof(model.Path)), model.Path);
            }
            else if (!Path.Exists(model.Path))
            {
                failures.Add(path, $"is '{model.Path}', which does not exist. Allowed: {OptionTable.AllowedOf(OptionTable.ModelKey(nameof(model.Path)))}.");
            }
        }
    }

    private static void CheckBatching(FfnBatchingOptions batching, Failures failures)
    {
        failures.Require(
            batching.MaxBatchTokens is >= 1 and <= OptionTable.MaxBatchTokens,
            OptionTable.BatchingKey(nameof(batching.MaxBatchTokens)),
            batching.MaxBatchTokens);
        failures.Require(
            batching.MaxQueueDelay >= TimeSpan.Zero && batching.MaxQueueDelay <= OptionTable.MaxQueueDelay,
            OptionTable.BatchingKey(nameof(batching.MaxQueueDelay)),
            batching.MaxQueueDelay);
        failures.Require(
            batching.QueueCapacityTokens >= batching.MaxBatchTokens && batching.QueueCapacityTokens <= OptionTable.MaxQueueTokens,
            OptionTable.BatchingKey(nameof(batching.QueueCapacityTokens)),
            batching.QueueCapacityTokens);
        RequireWait(batching, batching.QueueCapacityTime, nameof(batching.QueueCapacityTime), failures);
        RequireWait(batching, batching.DefaultDeadline, nameof(batching.DefaultDeadline), failures);
    }

    private static void RequireWait(FfnBatchingOptions batching, TimeSpan? wait, string option, Failures failures) =>
        failures.Require(wait is null || (wait > batching.MaxQueueDelay && wait <= OptionTable.MaxWait), OptionTable.BatchingKey(option), wait);

    private static void CheckWarmup(NativeFfnOptions options, Failures failures)
    {
        foreach (int tokens in options.Warmup.Tokens ?? [])
        {
            failures.Require(
                tokens >= 1 && tokens <= options.Batching.QueueCapacityTokens, OptionTable.WarmupKey(nameof(options.Warmup.Tokens)), tokens);
        }
    }

    private sealed class Failures(string section)
    {
        private readonly List<string> _failures = [];

        public void Require(bool condition, string key, object? value)
        {
            if (!condition)
            {
                Refuse(key, key, value);
            }
        }

        public void Refuse(string key, string tableKey, object? value) =>
            Add(key, $"is {(value is null ? "missing" : $"'{value}'")}. Allowed: {OptionTable.AllowedOf(tableKey)}.");

        public void Add(string key, string what) => _failures.Add($"{section}:{key} {what}");

        public ValidateOptionsResult ToResult() => _failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(_failures);
    }
}
