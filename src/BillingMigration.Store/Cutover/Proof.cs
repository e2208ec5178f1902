using BillingMigration.Control;
using BillingMigration.Integrity;

namespace BillingMigration.Store.Cutover;

/// <summary>Compares what changed since the last verdict that passed.</summary>
internal static class Proof
{
    /// <summary>Before the calls wait: until what is left to compare is small.</summary>
    public static async Task WarmAsync(MigrationSession session, CancellationToken cancellationToken)
    {
        const int MostRounds = 3;
        var enough = TimeSpan.FromMilliseconds(500);
        for (var round = 0; round < MostRounds; round++)
        {
            // Applications go on writing: that it is not decided now is no harm, the last one is made when they do not.
            if ((await RunAsync(session, enough, cancellationToken)).Duration < enough)
            {
                return;
            }
        }
    }

    /// <exception cref="MigrationException"><c>SwitchNotEqual</c>.</exception>
    public static async Task RequireAsync(MigrationSession session, CancellationToken cancellationToken)
    {
        var result = await RunAsync(session, new IntegrityOptions().Patience, cancellationToken);
        if (!result.Passed)
        {
            throw SwitchErrors.NotEqual($"{result.Outcome}, {result.Verdict.Differences} differences: {result.Reason}");
        }
    }

    private static Task<IntegrityResult> RunAsync(MigrationSession session, TimeSpan patience, CancellationToken cancellationToken) =>
        new IntegrityChecker(session, new IntegrityOptions { Method = IntegrityMethod.Since, Patience = patience }).RunAsync(new Progress<IntegrityProgress>(), cancellationToken);
}
