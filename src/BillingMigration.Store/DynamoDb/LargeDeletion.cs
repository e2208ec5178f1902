using System.IO.Hashing;
using System.Text;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Deletes a row whose children are more than a transaction takes. First the partitions of all that goes are taken, so that no child comes any more, and everything is asked that forbids it; until then it can
/// be undone. Then the row itself goes, which decides it, and after it its children in parts, their own children before them; or their references.
/// </summary>
internal sealed class LargeDeletion(TableSide side, Intent intent, UnitBuilder builder, TransactionSender sender, IntentLog log) : ILargeWork
{
    private const int MostAtOnce = 45;
    private const int MostForbidden = 10_000;

    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(5);

    private readonly HashSet<string> held = new(StringComparer.Ordinal);
    private long beat = side.Time.GetTimestamp();

    /// <summary>Takes the partitions of all that goes, and looks for what forbids it.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.HasChildren"/>.</exception>
    /// <exception cref="PartitionHeldException">Another large unit is at work there.</exception>
    public async Task<bool> PlanAsync(CancellationToken cancellationToken)
    {
        held.Add(Partition(intent.Entity, intent.Row));
        var deleted = new HashSet<UInt128>();
        var forbidden = new List<(UInt128 Child, string Name)>();
        var open = new Stack<(EntityModel Model, RowBuffer Row)>([(intent.Entity, intent.Row)]);
        while (open.TryPop(out var parent))
        {
            await HoldAsync(Partition(parent.Model, parent.Row));
            foreach (var reference in Reference.To(side.Model, parent.Model).Where(r => r.Forbids || (r.Cascades && IsOfInterest(r.Child))))
            {
                await foreach (var child in ChildrenAsync(reference, parent.Row, cancellationToken))
                {
                    await BeatAsync();
                    var name = XxHash128.HashToUInt128(Encoding.UTF8.GetBytes($"{reference.Child.Entity} {reference.Child.Describe(child)}"));
                    if (reference.Cascades)
                    {
                        if (deleted.Add(name) && !Reference.To(side.Model, reference.Child).IsEmpty)
                        {
                            open.Push((reference.Child, child));
                        }
                    }
                    else if (forbidden.Count < MostForbidden)
                    {
                        forbidden.Add((name, reference.Name));
                    }
                    else
                    {
                        throw StoreErrors.HasChildren(reference.Name);
                    }
                }
            }
        }

        foreach (var (_, name) in forbidden.Where(f => !deleted.Contains(f.Child)))
        {
            throw StoreErrors.HasChildren(name);
        }

        return true;
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
        foreach (var reference in Reference.To(side.Model, parent).Where(r => !r.Forbids))
        {
            for (var isDone = false; !isDone;)
            {
                isDone = true;
                var some = new List<RowBuffer>();
                await foreach (var child in ChildrenAsync(reference, row, cancellationToken))
                {
                    some.Add(child);
                    if (some.Count == MostAtOnce)
                    {
                        isDone &= await LeaveAsync(reference, some, cancellationToken);
                        some.Clear();
                    }
                }

                isDone &= some.Count == 0 || await LeaveAsync(reference, some, cancellationToken);
            }
        }
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

        var isDone = true;
        for (var next = 0; next < children.Count;)
        {
            var first = next;
            var parts = new UnitParts(side.Model.Definition, side.Keys) { Holder = intent.Id };
            for (; next < children.Count && !parts.IsFull; next++)
            {
                await builder.AddLeavingAsync(parts, [new RowChange(reference.Child, children[next], reference.Cascades ? null : reference.Released(children[next])) { IsFound = true }], cancellationToken);
            }

            if (intent.IsAside)
            {
                // Its partition is not its own any more: what belongs to a row that came again is not its to delete.
                parts.Require(ItemCodec.Attributes(RowFinder.KeyOf(intent.Entity, intent.Row, null)!.Value), ItemCondition.Absent, new Refusal.Told(StoreErrors.ThereAgain(intent.Entity, intent.Row)));
            }

            log.GoOn(parts, intent, next - first);
            isDone &= await IntentWork.SendAsync(sender, parts);
        }

        return isDone;
    }

    private async Task HoldAsync(string partition)
    {
        if (held.Add(partition))
        {
            UnitParts parts;
            do
            {
                parts = new UnitParts(side.Model.Definition, side.Keys);
                log.GoOn(parts, intent, held: [partition]);
            }
            while (!await IntentWork.SendAsync(sender, parts));
        }
    }

    /// <summary>Who has many rows to read is not gone.</summary>
    private async Task BeatAsync()
    {
        if (side.Time.GetElapsedTime(beat) > Beat)
        {
            var parts = new UnitParts(side.Model.Definition, side.Keys);
            log.GoOn(parts, intent);
            await IntentWork.SendAsync(sender, parts);
            beat = side.Time.GetTimestamp();
        }
    }

    private IAsyncEnumerable<RowBuffer> ChildrenAsync(Reference reference, RowBuffer parent, CancellationToken cancellationToken) =>
        side.Rows.ChildrenAsync(reference, parent, RowFinder.KeyOf(reference.Parent, parent, null)!.Value, cancellationToken);

    /// <summary>True for rows that have children of their own, or that something forbids to go without.</summary>
    private bool IsOfInterest(EntityModel child) =>
        !Reference.To(side.Model, child).IsEmpty || Reference.Of(side.Model, child).Any(r => r.Forbids);

    private static string Partition(EntityModel entity, RowBuffer row) => RowFinder.KeyOf(entity, row, null)!.Value.Pk;
}
