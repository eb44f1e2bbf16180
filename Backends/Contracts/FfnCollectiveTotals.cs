namespace NativeFfn;

/// <summary>What a rank spent on operations with others: waiting for those that come later is part of it, waiting for work is not.</summary>
/// <param name="Operations">Sums, copies and exchanges.</param>
/// <param name="Bytes">Bytes that this rank gave to them or received; how often a library copies them is its own affair.</param>
/// <param name="Time">How long it was in them; of those that were under way while it computed, what it waited for them.</param>
public readonly record struct FfnCollectiveTotals(long Operations, long Bytes, TimeSpan Time);
