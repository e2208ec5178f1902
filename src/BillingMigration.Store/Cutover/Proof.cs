using BillingMigration.Control;
using BillingMigration.Integrity;

namespace BillingMigration.Store.Cutover;

/// <summary>Compares what changed since the last verdict that passed: most of it before calls wait, and the rest while they do.</summary>
/// <param name="session">Of the migration.</param>
/// <param name="looksBefore">How often what does not agree is looked at again before calls wait: what is on its way then is left for later.</param>
/// <param name="rowsBefore">Changed rows that are asked for together before calls wait: the fewer, the more the applications' own calls come between.</param>
/// <param name="indexes">Shown every row that is compared; null: nobody asks the indexes for them.</param>
internal sealed class Proof(MigrationSession session, int looksBefore, int rowsBefore, IndexWatch? indexes = null)
{
    private const int MostRounds = 5;

    /// <summary>So many rows are compared in a moment.</summary>
    private const long FewRows = 1_000;

    private ComparedSoFar? soFar;

    private IntegrityOptions Options => new() { Method = IntegrityMethod.Since, GoOnFrom = soFar, OnChanged = indexes is null ? null : indexes.Add };

    /// <summary>Before the calls wait: again and again, until what is left to compare is small.</summary>
    /// <exception cref="MigrationException"><c>SwitchNotEqual</c>: there are differences, and nobody need wait to hear of them.</exception>
    public async Task WarmAsync(CancellationToken cancellationToken)
    {
        for (var round = 1; round <= MostRounds; round++)
        {
            var result = await RunAsync(Options with { MostLooks = looksBefore, ChangesAtOnce = rowsBefore }, cancellationToken);
            if (result.Outcome == IntegrityOutcome.Failed)
            {
                throw NotEqual(result);
            }

            soFar = result.SoFar ?? soFar;
            await (indexes?.LookAsync(cancellationToken) ?? Task.CompletedTask);
            if (result.Entities.Sum(e => e.Rows) <= FewRows)
            {
                return;
            }
        }
    }

    /// <summary>While calls wait: the rest.</summary>
    /// <exception cref="MigrationException"><c>SwitchNotEqual</c>.</exception>
    public async Task RequireAsync(CancellationToken cancellationToken)
    {
        var result = await RunAsync(Options, cancellationToken);
        if (!result.Passed)
        {
            throw NotEqual(result);
        }
    }

    private static MigrationException NotEqual(IntegrityResult result) => SwitchErrors.NotEqual($"{result.Outcome}, {result.Verdict.Differences} differences: {result.Reason}");

    private Task<IntegrityResult> RunAsync(IntegrityOptions options, CancellationToken cancellationToken) =>
        new IntegrityChecker(session, options).RunAsync(new Progress<IntegrityProgress>(), cancellationToken);
}
