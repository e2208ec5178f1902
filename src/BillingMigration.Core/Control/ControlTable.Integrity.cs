using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

public sealed partial class ControlTable
{
    /// <summary>Keeps a verdict, as the last one of its run, and as the last good one when it passed for all of the table.</summary>
    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    public Task SaveVerdictAsync(Lease lease, IntegrityVerdict verdict, CancellationToken cancellationToken)
    {
        var keys = new List<string> { VerdictItem.SortKey(verdict.RunId, verdict.Id), VerdictItem.LastSortKey(verdict.RunId) };
        if (verdict is { Passed: true, IsWhole: true } and not { Method: IntegrityMethod.Quick })
        {
            keys.Add(VerdictItem.GoodSortKey(verdict.RunId));
        }

        var writes = keys.Select(sk => new TransactWriteItem { Put = new Put { TableName = Table, Item = VerdictItem.ToItem(pk, sk, verdict) } });
        return WriteFencedAsync(lease, "Saving the verdict", writes, cancellationToken);
    }

    /// <summary>The last verdict of a run; null when there is none.</summary>
    public async Task<IntegrityVerdict?> FindVerdictAsync(string runId, CancellationToken cancellationToken) =>
        await ReadAsync(VerdictItem.LastSortKey(runId), cancellationToken) is { } item ? VerdictItem.FromItem(item) : null;

    /// <summary>The last verdict that passed for the whole table; null when there is none.</summary>
    public async Task<IntegrityVerdict?> FindGoodVerdictAsync(string runId, CancellationToken cancellationToken) =>
        await ReadAsync(VerdictItem.GoodSortKey(runId), cancellationToken) is { } item ? VerdictItem.FromItem(item) : null;
}
