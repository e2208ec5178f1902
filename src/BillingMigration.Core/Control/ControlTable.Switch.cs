using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

public sealed partial class ControlTable
{
    /// <summary>The last switch of the applications; null: there was none.</summary>
    public async Task<SwitchRecord?> FindSwitchAsync(CancellationToken cancellationToken) =>
        await ReadAsync(SwitchItem.SortKey, cancellationToken) is { } item ? SwitchItem.FromItem(item) : null;

    /// <summary>Every switch so far, the oldest first.</summary>
    public Task<ImmutableArray<SwitchRecord>> ListSwitchesAsync(CancellationToken cancellationToken) =>
        ListAsync(SwitchItem.SortKey + "#", SwitchItem.FromItem, cancellationToken);

    /// <exception cref="MigrationException"><c>LeaseLost</c>.</exception>
    internal Task SaveSwitchAsync(Lease lease, SwitchRecord record, CancellationToken cancellationToken) => FencedAsync(
        lease,
        "Saving the switch",
        new[] { SwitchItem.SortKey, SwitchItem.HistorySortKey(record) }.Select(sk => new TransactWriteItem { Put = new Put { TableName = Table, Item = SwitchItem.ToItem(pk, sk, record) } }),
        cancellationToken);

    /// <summary>Jobs whose lease is held, with their holders. A holder that is known to have ended holds none.</summary>
    internal async Task<ImmutableArray<(string Job, string Holder)>> ListHeldLeasesAsync(CancellationToken cancellationToken)
    {
        var leases = await ListAsync(LeaseItem.SortKey(""), LeaseItem.FromItem, cancellationToken);
        return [.. leases.Where(l => l.Holder?.IsKnownDead(LeaseHolder.Current) == false).Select(l => (l.Job, l.Holder!.ToString()))];
    }
}
