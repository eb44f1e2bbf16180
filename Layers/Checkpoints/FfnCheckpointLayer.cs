namespace NativeFfn.Checkpoints;

/// <summary>A feed-forward layer found in a checkpoint; its tensors were looked up and checked, their elements not read yet.</summary>
/// <param name="Index">The layer's index, from 0.</param>
/// <param name="Spec">Shape and formula; <see cref="FfnSpec.WhyNoBlock"/> says where the checkpoint lacks a norm.</param>
/// <param name="Weights">Its weights, readable by several threads at once while the checkpoint is open.</param>
/// <param name="WeightType">Element type of the matrices as stored: F32, BF16, F16 or Q8_0, joined by <c>+</c> where they differ.</param>
public sealed record FfnCheckpointLayer(int Index, FfnSpec Spec, IFfnWeightSource Weights, string WeightType);
