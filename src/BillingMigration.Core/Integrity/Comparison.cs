using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Snapshot;

namespace BillingMigration.Integrity;

/// <summary>Compares entities with their tables by digests of both sides, and names the rows and items of what differs.</summary>
internal sealed class Comparison(ImmutableArray<EntityModel> models, ImmutableArray<int> chosen, SourceSide source, TargetSide target, SourceLookup lookup, ISuspects suspects)
{
    /// <summary>Key ranges of the chosen entities.</summary>
    public static async Task<ImmutableArray<(int Entity, SnapshotRange Range)>> PlanAsync(
        MigrationSession session, ImmutableArray<EntityModel> models, ImmutableArray<int> chosen, long rowsPerRange, CancellationToken cancellationToken)
    {
        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        var planner = new RangePlanner(connection, rowsPerRange);
        var ranges = ImmutableArray.CreateBuilder<(int, SnapshotRange)>();
        foreach (var entity in chosen)
        {
            ranges.AddRange((await planner.PlanAsync(models[entity], cancellationToken)).Select(r => (entity, r)));
        }

        return ranges.ToImmutable();
    }

    /// <summary>Reads both sides, at the same time, into the digests.</summary>
    public async Task DigestAsync(
        DigestLedger ledger, IEnumerable<(int Entity, SnapshotRange Range)> ranges, IEnumerable<int> segments, int of, CancellationToken stopReading, CancellationToken abort)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(abort);
        await TogetherAsync(
            both,
            source.ReadAsync(ranges, () => new RowDigester(ledger), stopReading, both.Token),
            target.ScanAsync(segments, of, () => new ItemDigester(ledger), stopReading, both.Token));
    }

    /// <summary>Adds what differs to the suspects.</summary>
    /// <param name="strangers">Whether items of no entity are suspects too.</param>
    public async Task NameAsync(
        DigestPair digests, ImmutableArray<(int Entity, SnapshotRange Range)> ranges, int segments, bool strangers, CancellationToken abort)
    {
        var differing = new BucketSet?[models.Length + 1];
        foreach (var entity in chosen)
        {
            differing[entity] = digests.Source[entity].Differing(digests.Target[entity]);
        }

        differing[^1] = strangers && digests.Strangers.Count > 0 ? BucketSet.All(digests.Strangers.Length) : null;
        var again = ranges.Where(r => differing[r.Entity] is not null || digests.Refused(r.Entity) > 0).ToArray();
        await source.ReadAsync(again, () => new RowProbe(models, differing, digests, target, suspects), CancellationToken.None, abort);

        // What is left in the table's digests now belongs to no row.
        for (var i = 0; i < differing.Length; i++)
        {
            differing[i] = differing[i] is { } set ? digests.Target[i].Remaining(set) : null;
        }

        if (differing.Any(d => d is not null))
        {
            await target.ScanAsync(
                Enumerable.Range(0, segments), segments, () => new ItemProbe(models, differing, digests, lookup, suspects), CancellationToken.None, abort);
        }
    }

    /// <summary>The first that fails ends the other, and its error is the one that comes out.</summary>
    private static async Task TogetherAsync(CancellationTokenSource both, params Task[] tasks)
    {
        var first = await Task.WhenAny(tasks);
        foreach (var task in tasks.OrderBy(t => t != first))
        {
            try
            {
                await task;
            }
            catch
            {
                await both.CancelAsync();
                await Task.WhenAll(tasks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw;
            }
        }
    }
}
