using System.Globalization;

namespace NativeFfn.Backends.Routing;

/// <summary>The weights of one network of a mixture, by the names that its tensors have there.</summary>
/// <param name="source">The mixture's weights.</param>
/// <param name="expert">An expert's index, or <see cref="FfnTensor.SharedExpert"/>.</param>
internal sealed class ExpertSource(IFfnWeightSource source, int expert) : IFfnWeightSource
{
    private readonly string _prefix = expert == FfnTensor.SharedExpert
        ? "shared."
        : string.Create(CultureInfo.InvariantCulture, $"experts.{expert}.");

    /// <inheritdoc/>
    public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination) =>
        source.ReadRows(tensor with { Name = _prefix + tensor.Name, Expert = expert }, firstRow, destination);
}
