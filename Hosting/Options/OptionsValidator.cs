using Microsoft.Extensions.Options;
using NativeFfn.Checkpoints;

namespace NativeFfn.Hosting;

/// <summary>Holds options against what they may be; every failure names the key, the value, and what is allowed.</summary>
internal sealed class OptionsValidator : IValidateOptions<NativeFfnOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, NativeFfnOptions options)
    {
        var failures = new Failures(options.Section);
        foreach (HostOption option in OptionTable.All)
        {
            if (!option.IsAllowed(options))
            {
                failures.Refuse(option.Key, option.Key, option.Value(options));
            }
        }

        CheckModels(options, failures);
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
                failures.Add(
                    $"{nameof(options.Models)}:{name}",
                    "is no name for a model. Use letters, digits, '-', '_' and '.', which need no escaping in addresses.");
            }

            if (!LayerSelection.TryParse(model.Layers, out _))
            {
                failures.Refuse(OptionTable.ModelKey(nameof(model.Layers), name), OptionTable.ModelKey(nameof(model.Layers)), model.Layers);
            }

            if (model.Tower is not null && !Names<CheckpointTower>.TryParse(model.Tower, out _))
            {
                failures.Refuse(OptionTable.ModelKey(nameof(model.Tower), name), OptionTable.ModelKey(nameof(model.Tower)), model.Tower);
            }

            if (model.Weight is not (>= OptionTable.MinWeight and <= OptionTable.MaxWeight))
            {
                failures.Refuse(OptionTable.ModelKey(nameof(model.Weight), name), OptionTable.ModelKey(nameof(model.Weight)), model.Weight);
            }

            if (model.MadeByCode.Count > 0)
            {
                if (model.Path is not null || model.Layers is not null || model.Tower is not null)
                {
                    failures.Add(
                        $"{nameof(options.Models)}:{name}",
                        "has layers made by code. Leave out its Path, Layers and Tower, or give them another name.");
                }
            }
            else if (string.IsNullOrEmpty(model.Path))
            {
                failures.Refuse(path, OptionTable.ModelKey(nameof(model.Path)), model.Path);
            }
            else if (!Path.Exists(model.Path))
            {
                string allowed = OptionTable.AllowedOf(OptionTable.ModelKey(nameof(model.Path)));
                failures.Add(path, $"is '{model.Path}', which does not exist. Allowed: {allowed}.");
            }
        }
    }

    private sealed class Failures(string section)
    {
        private readonly List<string> _failures = [];

        public void Refuse(string key, string tableKey, object? value) =>
            Add(key, $"is {(value is null ? "missing" : $"'{value}'")}. Allowed: {OptionTable.AllowedOf(tableKey)}.");

        public void Add(string key, string what) => _failures.Add($"{section}:{key} {what}");

        public ValidateOptionsResult ToResult() =>
            _failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(_failures);
    }
}
