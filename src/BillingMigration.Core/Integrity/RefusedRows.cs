using System.Collections.Concurrent;
using BillingMigration.Control;
using BillingMigration.Model;

namespace BillingMigration.Integrity;

/// <summary>Rows that cannot be items: set aside by the export, which is as it was chosen, or else missing.</summary>
internal sealed class RefusedRows(MigrationSession session, IntegrityContext context)
{
    private const int MostKept = 100_000;

    private readonly ConcurrentQueue<(int Entity, RowBuffer Row)> rows = new();

    /// <summary>Rows by entity that are known to be set aside.</summary>
    public long[] Accepted { get; } = new long[context.Models.Length];

    public void Add(int entity, RowBuffer row, RowRefusal refusal)
    {
        if (rows.Count < MostKept)
        {
            rows.Enqueue((entity, RowIdentity.Of(context.Models[entity], row)));
        }
    }

    /// <summary>Rows that were not set aside: each is a difference, though it has no key in the table.</summary>
    public List<ItemDifference> Missing { get; } = [];

    /// <summary>Compares with what the export and the change stream set aside.</summary>
    public async Task LookUpAsync(SourceLookup source, CancellationToken cancellationToken)
    {
        if (rows.IsEmpty)
        {
            return;
        }

        var setAside = (await session.Control.ListSetAsideAsync(context.Run.RunId, MostKept, cancellationToken)).Select(r => (r.Entity, r.Key)).ToHashSet();
        foreach (var group in rows.GroupBy(r => r.Entity))
        {
            var model = context.Models[group.Key];
            var now = await source.ReadAsync(group.Key, [.. group.Select(r => r.Row)], cancellationToken);
            foreach (var (key, row) in now.Where(r => r.Value.Item is null))
            {
                if (setAside.Contains((model.Entity, key)))
                {
                    Accepted[group.Key]++;
                    continue;
                }

                Missing.Add(new ItemDifference
                {
                    Entity = model.Entity,
                    Key = key,
                    Kind = DifferenceKind.Missing,
                    PartitionKey = "",
                    SortKey = "",
                    Cause = $"The row cannot be an item: {row.Refusal.ReasonId}, {row.Refusal.Reason}.",
                });
            }
        }
    }
}
