using System.Collections.Immutable;

namespace NativeFfn.Cli.Verification;

/// <summary>One backend in one mode in <c>verify --json</c>.</summary>
/// <param name="Backend">The backend.</param>
/// <param name="Mode"><c>ffn</c>, <c>residual</c> or <c>block</c>.</param>
/// <param name="RelativeL2">‖actual − expected‖₂ / ‖expected‖₂.</param>
/// <param name="MaxAbsError">The largest |actual − expected|.</param>
/// <param name="Tolerance">The largest relative L2 error that passes.</param>
/// <param name="Passed">The verdict.</param>
/// <param name="QuantizationError">What the precision lost of the matrix that lost most, ‖kept − stored‖₂ / ‖stored‖₂.</param>
internal sealed record VerifyRow(
    string Backend, string Mode, double RelativeL2, double MaxAbsError, double Tolerance, bool Passed, double QuantizationError);

/// <summary>A backend that was not verified in <c>verify --json</c>.</summary>
/// <param name="Backend">The backend.</param>
/// <param name="Reason">Why not.</param>
internal sealed record VerifySkip(string Backend, string Reason);

/// <summary>The answer of <c>verify --json</c>.</summary>
/// <param name="Model">The checkpoint.</param>
/// <param name="Layer">The layer, from 0.</param>
/// <param name="Kind">The layer's kind.</param>
/// <param name="DModel">d_model.</param>
/// <param name="DFf">d_ff.</param>
/// <param name="Experts">Experts of a mixture; 0 for a dense layer.</param>
/// <param name="TopK">Experts that a token is sent to; 0 for a dense layer.</param>
/// <param name="WeightType">Element type of the stored matrices.</param>
/// <param name="Precision">How the backends keep the matrices.</param>
/// <param name="Tokens">Rows of the input.</param>
/// <param name="Passed">Whether every row passed.</param>
/// <param name="Rows">Backends times modes.</param>
/// <param name="NotVerified">Backends that are not available here or cannot run this layer.</param>
internal sealed record VerifyReport(
    string Model,
    int Layer,
    string Kind,
    int DModel,
    int DFf,
    int Experts,
    int TopK,
    string WeightType,
    string Precision,
    int Tokens,
    bool Passed,
    ImmutableArray<VerifyRow> Rows,
    ImmutableArray<VerifySkip> NotVerified);
