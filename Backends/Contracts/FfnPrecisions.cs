namespace NativeFfn;

/// <summary>Which precisions leave the choice to the weights.</summary>
internal static class FfnPrecisions
{
    /// <summary>Whether matrices are kept as their source has them, so that the precision names no form of its own.</summary>
    public static bool FollowsWeights(this FfnPrecision precision) => precision is FfnPrecision.Auto or FfnPrecision.Stored;

    /// <summary>The precision in which weights that are given as numbers are kept.</summary>
    public static FfnPrecision OfNumbers(this FfnPrecision precision) => precision.FollowsWeights() ? FfnPrecision.Float32 : precision;
}
