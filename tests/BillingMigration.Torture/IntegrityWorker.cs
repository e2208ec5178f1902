using System.Globalization;
using BillingMigration.Integrity;
using BillingMigration.Testing;

namespace BillingMigration.Torture;

/// <summary>One comparison: <c>rows N</c>, <c>differs PK SK</c> for each difference, <c>ended OUTCOME</c>.</summary>
internal static class IntegrityWorker
{
    public const string Differs = "differs ";

    public static Task<int> RunAsync(string[] args) => Worker.RunAsync(SampleMigration.Create, args, async (session, _) =>
    {
        var progress = new Worker.Lines<IntegrityProgress>(p => string.Create(CultureInfo.InvariantCulture, $"rows {p.Rows}"));
        var result = await new IntegrityChecker(session, new IntegrityOptions()).RunAsync(progress, CancellationToken.None);
        foreach (var difference in result.Differences)
        {
            Worker.Say($"{Differs}{difference.PartitionKey} {difference.SortKey}");
        }

        Worker.Say($"ended {result.Outcome}");
        return result.Verdict.Undecided == 0;
    });
}
