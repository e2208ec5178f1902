using System.IO.Hashing;
using System.Runtime.CompilerServices;
using System.Text;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Deletes a row whose children are more than a transaction takes. First the partitions of all that goes, or loses its reference, are taken, so that
/// no child comes any more, and everything is asked that forbids it; until then it can be undone. Then the row itself goes, which decides it, and
/// after it its children in parts, their own children before them; or their references.
/// </summary>
internal sealed class LargeDeletion(TableSide side, Intent intent, UnitBuilder builder, TransactionSender sender, IntentLog log) : ILargeWork
{
    private const int MostAtOnce = 45;
    private const int MostForbidden = 10_000;

    private readonly Holding holding = new(side, intent, log, sender);
    private readonly HashSet<UInt128> following = [];
    private readonly Dictionary<string, IReadOnlyList<(EntityModel Model, RowBuffer Row)>> recent = new(StringComparer.Ordinal);

    /// <summary>Takes the partitions of all that goes or loses its reference, and looks for what forbids it.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.HasChildren"/>.</exception>
    /// <exception cref="PartitionHeldException">Another large unit is at work there.</exception>
    public Task<bool> PlanAsync(string partition, CancellationToken cancellationToken)
    {
        holding.Has(partition);
        return holding.WholeAsync(() => LookAsync(cancellationToken));
    }

    private async Task<bool> LookAsync(CancellationToken cancellationToken)
    {
        recent.Clear();
        var deleted = new HashSet<UInt128> { NameOf(intent.Entity, intent.Row) };
        var forbidden = new List<(UInt128 Child, string Name)>();
        var open = new Stack<(EntityModel Model, RowBuffer Row)>([(intent.Entity, intent.Row)]);
        while (open.TryPop(out var parent))
        {
            foreach (var reference in Reference.To(side.Model, parent.Model))
            {
                if (!IsOfInterest(reference))
                {
                    await foreach (var partition in side.Rows.PartitionsElsewhereAsync(reference, parent.Row, cancellationToken))
                    {
                        await holding.WantAsync(partition);
                    }

                    continue;
                }

                await foreach (var child in ChildrenAsync(reference, parent.Row, cancellationToken))
                {
                    if (reference.Cascades)
                    {
                        await holding.WantAsync(Partition(reference.Child, child));
                        if (deleted.Add(NameOf(reference.Child, child)) && !Reference.To(side.Model, reference.Child).IsEmpty)
                        {
                            open.Push((reference.Child, child));
                        }
                    }
                    else if (reference.Forbids)
                    {
                        Forbid(NameOf(reference.Child, child), reference.Name);
                    }
                    else
                    {
                        await holding.WantAsync(Partition(reference.Child, child));
                        await holding.WantAsync(Partition(reference.Child, await ReleasedAsync(reference, child, cancellationToken)));
                        await foreach (var (other, name) in side.Rows.OfReleasedAsync(reference, child, cancellationToken))
                        {
                            Forbid(NameOf(other.Child, name), other.Name);
                        }
                    }
                }
            }
        }

        return forbidden.FirstOrDefault(f => !deleted.Contains(f.Child)) is { Name: { } by } ? throw StoreErrors.HasChildren(by) : true;

        void Forbid(UInt128 child, string name)
        {
            if (forbidden.Count >= MostForbidden)
            {
                throw StoreErrors.HasChildren(name);
            }

            forbidden.Add((child, name));
        }
    }

    /// <summary>The transaction that deletes the row, and so decides it.</summary>
    public async Task<UnitParts> DecideAsync(UnitFindings found, long? epoch, CancellationToken cancellationToken)
    {
        var parts = new UnitParts(side.Model.Definition, side.Keys) { Epoch = epoch, Holder = intent.Id, Announcer = intent.Id };
        // Its keys are given to no other row while there are children that refer to them.
        await builder.AddLeavingAsync(parts, [new RowChange(intent.Entity, intent.Row, null)], cancellationToken, keep: true);
        log.GoOn(parts, intent, now: IntentLog.Decided);
        return parts;
    }

    /// <summary>Deletes what is left of the children, and ends the unit. May begin anew any number of times.</summary>
    public async Task<BillingRecord?> RunAsync(CancellationToken cancellationToken)
    {
        await FollowAsync(intent.Entity, intent.Row, cancellationToken);
        UnitParts parts;
        do
        {
            parts = new UnitParts(side.Model.Definition, side.Keys) { Holder = intent.Id };
            await builder.AddGivingBackAsync(parts, intent, cancellationToken);
            log.GoOn(parts, intent);
        }
        while (!await IntentWork.SendAsync(sender, parts));
        await log.EndAsync(intent, sender, cancellationToken);
        return null;
    }

    private async Task FollowAsync(EntityModel parent, RowBuffer row, CancellationToken cancellationToken)
    {
        // Rows that refer to each other in a circle are followed once.
        if (!following.Add(NameOf(parent, row)))
        {
            return;
        }

        foreach (var reference in Reference.To(side.Model, parent).Where(r => !r.Forbids))
        {
            await IntentWork.UntilDoneAsync(
                () => ChildrenAsync(reference, row, cancellationToken), MostAtOnce, some => LeaveAsync(reference, some, cancellationToken));
        }

        following.Remove(NameOf(parent, row));
    }

    private async Task<bool> LeaveAsync(Reference reference, List<RowBuffer> children, CancellationToken cancellationToken)
    {
        if (reference.Cascades && !Reference.To(side.Model, reference.Child).IsEmpty)
        {
            foreach (var child in children)
            {
                await FollowAsync(reference.Child, child, cancellationToken);
            }
        }

        return await IntentWork.InPartsAsync(sender, children, some => PartAsync(reference, some, cancellationToken));
    }

    private async Task<UnitParts> PartAsync(Reference reference, List<RowBuffer> children, CancellationToken cancellationToken)
    {
        var parts = new UnitParts(side.Model.Definition, side.Keys) { Holder = intent.Id };
        foreach (var child in children)
        {
            var after = reference.Cascades ? null : await ReleasedAsync(reference, child, cancellationToken);
            await builder.AddLeavingAsync(parts, [new RowChange(reference.Child, child, after) { IsFound = true }], cancellationToken);
        }

        if (intent.IsAside)
        {
            // Its partition is not its own any more: what belongs to a row that came again is not its to delete.
            parts.Require(ItemCodec.Attributes(RowFinder.KeyOf(intent.Entity, intent.Row, null)!.Value), ItemCondition.Absent, new Refusal.Told(StoreErrors.ThereAgain(intent.Entity, intent.Row)));
        }

        log.GoOn(parts, intent, children.Count);
        return parts;
    }

    private Task<RowBuffer> ReleasedAsync(Reference reference, RowBuffer child, CancellationToken cancellationToken) =>
        side.Rows.WithLookupsAsync(reference.Child, reference.Released(child), [], cancellationToken);

    /// <summary>All children; of those that came last a query may not show each.</summary>
    private async IAsyncEnumerable<RowBuffer> ChildrenAsync(Reference reference, RowBuffer parent, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var key = RowFinder.KeyOf(reference.Parent, parent, null)!.Value;
        if (!recent.TryGetValue(key.Pk, out var last))
        {
            var version = (await side.Versions.ReadAsync([key.Pk], intent.Id, cancellationToken))[key.Pk];
            recent[key.Pk] = last = await side.Rows.RecentAsync(version, cancellationToken);
        }

        foreach (var child in last.Where(r => r.Model == reference.Child && reference.Refers(r.Row, parent)).Select(r => r.Row))
        {
            var own = RowFinder.KeyOf(reference.Child, child, null)!.Value;
            if (await side.Rows.GetAsync(reference.Child, own, cancellationToken) is { } now && reference.Refers(now, parent))
            {
                yield return now;
            }
        }

        await foreach (var child in side.Rows.ChildrenAsync(reference, parent, key, cancellationToken))
        {
            if (!last.Any(r => r.Model == reference.Child && r.Model.IsSame(r.Row, child, r.Model.PrimaryKey)))
            {
                yield return child;
            }
        }
    }

    /// <summary>
    /// False for children of which only their partition matters before it is decided: they have none of their own, forbid nothing, and stay where they
    /// are.
    /// </summary>
    private bool IsOfInterest(Reference reference) =>
        reference.Forbids || !Reference.To(side.Model, reference.Child).IsEmpty || Reference.Of(side.Model, reference.Child).Any(r => r.Forbids)
        || (!reference.Cascades && reference.Child.Keys[0].PartitionKey.SelectMany(t => t.RowIndexes).Any(reference.ChildColumns.Contains));

    private static UInt128 NameOf(EntityModel entity, RowBuffer row) =>
        XxHash128.HashToUInt128(Encoding.UTF8.GetBytes($"{entity.Entity} {entity.Describe(row)}"));

    private static string Partition(EntityModel entity, RowBuffer row) => RowFinder.KeyOf(entity, row, null)!.Value.Pk;
}
